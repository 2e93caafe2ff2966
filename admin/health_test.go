package admin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/invalidation"
)

func TestTheVerdictIsTheWorstReason(t *testing.T) {
	lagging := func(s *Sources) {
		s.Invalidation = func() []invalidation.Status {
			return []invalidation.Status{{Name: "updates", Kind: "kafka", State: invalidation.StateLagging, Suspended: true, Error: "broken pipe"}}
		}
	}
	badFile := func(s *Sources) {
		s.LastReload = func() api.Reload { return api.Reload{Supported: true, Error: "line 3"} }
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
		{"a bad file", badFile, nil, api.HealthDegraded, "line 3"},
		{"stopping", nil, func(r *rig) { r.SetReady(false) }, api.HealthDegraded, "not taking clients"},
		{"an error in ten thousand", nil, func(r *rig) { r.history.add(api.Sample{Reads: 10000, Errors: 1}) }, api.HealthDegraded, "1 of 10000 reads"},
		{"an error in ten", nil, func(r *rig) { r.history.add(api.Sample{Reads: 10, Errors: 1}) }, api.HealthFailing, "1 of 10 reads"},
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
