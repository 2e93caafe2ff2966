package metrictable_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fsproxy/fsproxy/metrictable"
)

type row metrictable.Row[map[string]float64]

var table = []row{
	{"shop_visits_total", metrictable.Counter, []string{"who"}, "Visits, by who came.", func(s map[string]float64, emit metrictable.Emit) {
		emit(s["ann"], "ann")
		emit(s["bob"], "bob")
	}},
	{"shop_open", metrictable.Gauge, nil, "1 while the shop is open.", func(map[string]float64, metrictable.Emit) {}},
}

// A scrape reads once, whatever there is to tell.
func TestAScrapeTellsWhatItsBeginningRead(t *testing.T) {
	scrapes := 0
	c := metrictable.NewCollector(table, func() map[string]float64 {
		scrapes++
		return map[string]float64{"ann": float64(scrapes), "bob": 7}
	})
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	for _, want := range []string{"1", "2"} {
		answer := httptest.NewRecorder()
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
		if got := answer.Body.String(); got != `# HELP shop_visits_total Visits, by who came.
# TYPE shop_visits_total counter
shop_visits_total{who="ann"} `+want+`
shop_visits_total{who="bob"} 7
` {
			t.Error(got)
		}
	}
}

func TestTheTableIsDocumented(t *testing.T) {
	want := "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n" +
		"| `shop_visits_total` | counter | who | Visits, by who came. |\n" +
		"| `shop_open` | gauge |  | 1 while the shop is open. |\n"
	if got := metrictable.Markdown(table); got != want {
		t.Errorf("%s", got)
	}
}
