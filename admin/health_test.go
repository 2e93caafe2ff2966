package admin

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/invalidation"
)

// differing is a rollout that found a difference.
type differing struct {
	Rollout
	found api.Difference
}

func (d differing) Differences(int) []api.Difference { return []api.Difference{d.found} }

func TestTheVerdictIsTheWorstReason(t *testing.T) {
	lagging := func(s *Sources) {
		s.Invalidation = func() []invalidation.Status {
			return []invalidation.Status{{Name: "updates", Kind: "kafka", State: invalidation.StateLagging, Suspended: true, Error: "broken pipe"}}
		}
	}
	badFile := func(s *Sources) {
		s.LastReload = func() api.Reload { return api.Reload{Supported: true, Error: "line 3"} }
	}
	wrong := func(kind string, ago time.Duration) func(*Sources) {
		return func(s *Sources) {
			s.Rollout = differing{oneRule{func() config.Mode { return config.ModeLive }}, api.Difference{Time: time.Now().Add(-ago), Feature: "f1", Class: "wrong", Kind: kind, Times: 7}}
		}
	}
	waiting := func(s *Sources) {
		s.LastReload = func() api.Reload {
			return api.Reload{Supported: true, OK: true, Restart: []string{"listeners[0].address", "upstream.discovery"}}
		}
	}
	for _, c := range []struct {
		name   string
		change func(*Sources)
		happen func(*rig)
		want   api.Health
		says   string
	}{
		{"nothing", nil, nil, api.HealthOK, ""},
		{"a source behind", lagging, nil, api.HealthDegraded, "source updates (kafka) is lagging: what it covers is fetched each time: broken pipe"},
		{"a file that waits for a restart", waiting, nil, api.HealthOK, "wait for a restart: listeners[0].address, upstream.discovery"},
		{"a bad file", badFile, nil, api.HealthDegraded, "line 3"},
		{"a wrong answer", wrong("verify", time.Minute), nil, api.HealthFailing, "7 values from memory found wrong in the last 15 minutes, the last of the feature f1"},
		{"a wrong answer of long ago", wrong("verify", time.Hour), nil, api.HealthOK, ""},
		{"what would have been a wrong answer", wrong("dry_run", time.Minute), nil, api.HealthDegraded, "7 values would have been wrong"},
		{"a second store that differs", wrong("shadow", time.Minute), nil, api.HealthOK, ""},
		{"stopping", nil, func(r *rig) { r.SetReady(false) }, api.HealthDegraded, "not ready for clients"},
		{"an error in ten thousand", nil, func(r *rig) { r.history.add(api.Sample{Reads: 10000, Errors: 1}) }, api.HealthDegraded, "1 of 10000 reads"},
		{"an error in ten", nil, func(r *rig) { r.history.add(api.Sample{Reads: 10, Errors: 1}) }, api.HealthFailing, "1 of 10 reads"},
		{"errors that have ended", nil, func(r *rig) {
			r.history.add(api.Sample{Reads: 10, Errors: 10})
			for range quietFor {
				r.history.add(api.Sample{Reads: 10})
			}
		}, api.HealthDegraded, "10 of 110 reads"},
		{"clients too many", nil, func(r *rig) { r.history.add(api.Sample{Refused: 3}) }, api.HealthFailing, "3 client connections in the last minute were refused, as limits.max_clients (10000) are open"},
		{"errors, and a source behind", lagging, func(r *rig) { r.history.add(api.Sample{Reads: 10, Errors: 10}) }, api.HealthFailing, "10 of 10 reads"},
	} {
		r := newRig(t, "", c.change)
		if c.happen != nil {
			c.happen(r)
		}
		var s api.Status
		r.answer(t, http.MethodGet, api.PathStatus, "", &s)
		if s.Health != c.want {
			t.Errorf("%s: %s, for %v", c.name, s.Health, s.Problems)
		}
		if c.says != "" && (len(s.Problems) == 0 || !strings.Contains(s.Problems[0].What, c.says) || s.Problems[0].Do == "") {
			t.Errorf("%s: the first reason is %+v", c.name, s.Problems)
		}
	}
}

func TestTheConfigurationMarksWhatWaitsForARestart(t *testing.T) {
	r := newRig(t, "", func(s *Sources) {
		s.LastReload = func() api.Reload {
			return api.Reload{Supported: true, OK: true, Restart: []string{"listeners[0].address", "upstream.discovery"}}
		}
	})
	var cfg api.Config
	r.answer(t, http.MethodGet, api.PathConfig, "", &cfg)
	var waiting []string
	for _, o := range cfg.Options {
		if o.Waiting {
			waiting = append(waiting, o.Key)
		}
	}
	if strings.Join(waiting, " ") != "listeners upstream.discovery" {
		t.Errorf("waiting are %q", waiting)
	}
}

func TestAStoreThatWasNotFoundSaysWhy(t *testing.T) {
	const nobody = "127.0.0.1:1"
	away := cluster.NewUpstream(cluster.Config{
		Discovery: cluster.DiscoveryConfig{Kind: cluster.KindRCM, Addresses: []string{nobody}, ConnectTimeout: 5 * time.Second},
		Log:       slog.New(slog.DiscardHandler), ConnectTimeout: 5 * time.Second, FetchTimeout: 5 * time.Second, Connections: 1, RefreshInterval: time.Minute, MaxInFlight: 16,
	})
	defer away.Close()
	<-away.Looked()
	r := newRig(t, "", func(s *Sources) { s.Upstream = away })
	var s api.Status
	r.answer(t, http.MethodGet, api.PathStatus, "", &s)
	if s.Health != api.HealthFailing || len(s.Problems) == 0 || !strings.Contains(s.Problems[0].What, "the store was not found yet") || !strings.Contains(s.Problems[0].What, nobody) {
		t.Errorf("%s, for %+v", s.Health, s.Problems)
	}
}

// A shard is lost when the last of its fetchers is, and not before.
func TestAShardThatNobodyAnswersForIsNamed(t *testing.T) {
	topology, err := cluster.NewTopology(cluster.RCM, "", []cluster.Assignment{
		{Nodes: []string{"a:1", "b:1"}, Slots: []cluster.SlotRange{{First: 0, Last: 99}}},
		{Nodes: []string{"c:1"}, Slots: []cluster.SlotRange{{First: 100, Last: 16383}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if problems := judgeShards(topology, map[string]bool{"a:1": true}); len(problems) != 0 {
		t.Errorf("%+v", problems)
	}
	problems := judgeShards(topology, map[string]bool{"a:1": true, "b:1": true})
	if len(problems) != 1 || problems[0].Health != api.HealthFailing || !strings.Contains(problems[0].What, "shard 0 can be reached (slots 0-99)") {
		t.Errorf("%+v", problems)
	}
}

// Whatever a source's trouble is, there is something to do about it, and an end.
func TestWhatToDoAboutASourceGoesByItsKindAndState(t *testing.T) {
	for _, c := range []struct {
		source     api.Source
		says, ends string
	}{
		{api.Source{Kind: "kafka", State: "lost", Suspended: true}, "see that the brokers run", "the store bears the load; it is trusted again by itself"},
		{api.Source{Kind: "markers", State: "lagging"}, "it is behind by more than its bound", "it is trusted again by itself"},
		{api.Source{Kind: "tracking", State: "serving"}, "old values are served", "it is trusted again by itself"},
		{api.Source{Kind: "kafka", State: "starting"}, "wait a moment", "may be read"},
		{api.Source{Kind: "another", State: "lost"}, "see that it runs", "it is trusted again by itself"},
	} {
		if do := doAbout(c.source); !strings.HasPrefix(do, c.says) || !strings.HasSuffix(do, c.ends) {
			t.Errorf("%+v: %s", c.source, do)
		}
	}
}

func TestErrorsOfLongAgoAreOver(t *testing.T) {
	r := newRig(t, "", nil)
	r.history.add(api.Sample{Reads: 10, Errors: 10})
	for range judgedOver {
		r.history.add(api.Sample{Reads: 10})
	}
	if health, problems := r.judge(&api.Status{Ready: true, Memory: api.Memory{Limit: 1}, Reload: api.Reload{OK: true}}); health != api.HealthOK {
		t.Errorf("%s, for %v", health, problems)
	}
}
