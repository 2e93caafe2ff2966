package admin

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/fsproxy/fsproxy/admin/api"
)

func TestMetricsAreAsPrometheusWantsThem(t *testing.T) {
	r := newRig(t, "metrics: {features: all}\n", nil)
	text := r.ask(http.MethodGet, "/metrics", "", nil).Body.Bytes()
	problems, err := promlint.New(bytes.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	if !strings.Contains(string(text), `fsproxy_mode{mode="live"} 1`) || !strings.Contains(string(text), `fsproxy_config_last_reload_successful 1`) {
		t.Errorf("mode and configuration are not there:\n%s", text)
	}
}

func TestAsManyFeaturesHaveSeriesAsConfigured(t *testing.T) {
	for option, want := range map[string]int{"off": 0, "1": 2, "2": 4, "all": 2 * 4} {
		r := newRig(t, "metrics: {features: "+option+"}\n", nil)
		r.fill("st_9", "a field that is no text: \xff")
		text := r.ask(http.MethodGet, "/metrics", "", nil)
		if n := strings.Count(text.Body.String(), "\nfsproxy_feature_fields_total{"); n != want || text.Code != http.StatusOK {
			t.Errorf("features %s: %d series (%d)", option, n, text.Code)
		}
	}
}

// namesOf are names by field.
type namesOf map[string]string

func (n namesOf) Name(field string) (string, bool) { name, known := n[field]; return name, known }

func TestFeaturesAreNamedWhereTheirNamesAreKnown(t *testing.T) {
	r := newRig(t, "metrics: {features: all}\n", func(s *Sources) { s.Names = namesOf{"f1": "orders_total", "f2": "f3"} })
	text := r.ask(http.MethodGet, "/metrics", "", nil).Body.String()
	// The name of f2 is another's field: it keeps its own.
	for _, label := range []string{"orders_total", "f2", "f3"} {
		if n := strings.Count(text, `fsproxy_feature_suspended{feature="`+label+`"}`); n != 1 {
			t.Errorf("%d series of %s", n, label)
		}
	}
	var found api.Features
	r.answer(t, http.MethodGet, api.PathFeatures+"?match=ORDERS", "", &found)
	if found.Matched != 1 || found.Total != 3 || found.Features[0].Field != "f1" || found.Features[0].Values != 3 || found.Features[0].Bytes == 0 {
		t.Errorf("by name: %+v", found)
	}
}
