package rcm

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fsproxy/fsproxy/cluster/rcm/fleet"
)

func TestTheAdminAddressTellsOfTheFleetAndItsSource(t *testing.T) {
	defer goleak.VerifyNone(t)
	log := slog.New(slog.DiscardHandler)
	server := New(Config{Logger: log, Subset: 2})
	status := fleet.Status{Kind: "kubernetes", Err: errors.New("the API server is away")}
	var mu sync.Mutex
	admin := NewAdmin(server, func() fleet.Status {
		mu.Lock()
		defer mu.Unlock()
		return status
	}, log)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- admin.Serve(ctx, ln) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	get := func(path string) (int, string) {
		t.Helper()
		response, err := client.Get("http://" + ln.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(body)
	}
	if code, body := get("/readyz"); code != 503 || !strings.Contains(body, "API server is away") {
		t.Errorf("without a fleet: %d %s", code, body)
	}
	if code, _ := get("/healthz"); code != 200 {
		t.Errorf("healthz: %d", code)
	}
	if _, body := get("/metrics"); !strings.Contains(body, `fsproxy_rcm_source_up{source="kubernetes"} 0`) || !strings.Contains(body, "fsproxy_rcm_uncovered_slots 16384") {
		t.Errorf("metrics without a fleet:\n%s", body)
	}
	server.SetTopology(fleetOf(t, 9, 3))
	mu.Lock()
	status = fleet.Status{Kind: "kubernetes", Heard: time.Now(), Found: 9, LeftOut: 1, Relists: 2}
	mu.Unlock()
	server.views.Load().of(clientOf(1)).slots()
	if code, _ := get("/readyz"); code != 200 {
		t.Errorf("with a fleet: %d", code)
	}
	_, body := get("/metrics")
	for _, line := range []string{
		`fsproxy_rcm_source_up{source="kubernetes"} 1`, "fsproxy_rcm_uncovered_slots 0", "fsproxy_rcm_shards 3", `fsproxy_rcm_fetchers{zone="a"} 3`,
		"fsproxy_rcm_fleet_changes_total 1", "fsproxy_rcm_source_relists_total 2", "fsproxy_rcm_rendered_total 1", "fsproxy_rcm_views 1",
		`fsproxy_rcm_requests_total{command="cluster|slots"} 0`, "fsproxy_rcm_source_left_out 1",
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("metrics do not say %q", line)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestEveryMetricIsNamedAndExplained(t *testing.T) {
	form := regexp.MustCompile(`^fsproxy_rcm_[a-z_]+$`)
	for _, m := range metrics {
		if !form.MatchString(m.Name) || !strings.HasSuffix(m.Help, ".") || (m.Kind == counter) != strings.HasSuffix(m.Name, "_total") {
			t.Errorf("%s: %s", m.Name, m.Help)
		}
	}
}
