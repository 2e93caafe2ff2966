package proxy_test

import (
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/proxy"
	"github.com/fsproxy/fsproxy/rollout"
)

// The mode is changed under a client's feet, and each read obeys the one in force
// when it came.
func TestTheModeChangesForClientsThatAreConnected(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("e", "f", "v")
	rules := rollout.Fixed(config.ModeLive)
	s := newStack(t, store.Addr(), func(s *setup) { s.proxy.Rollout = rules })
	p := s.dial()
	set := func(mode config.Mode) {
		t.Helper()
		if err := rules.SetMode(mode); err != nil {
			t.Fatal(err)
		}
	}
	ask := func() {
		t.Helper()
		if got := p.do("HMGET e f"); !strings.Contains(got, "v") {
			t.Fatalf("the answer is %q", got)
		}
	}
	ask()
	ask()
	hits := s.hits()
	if hits == 0 {
		t.Fatal("nothing was answered from memory in mode live")
	}
	for round := range 3 {
		set(config.ModeOff)
		before := s.bypasses("mode_off")
		ask()
		if s.hits() != hits || s.bypasses("mode_off") != before+1 {
			t.Errorf("round %d: a read was answered from memory in mode off", round)
		}
		set(config.ModeLive)
		ask()
		if hits++; s.hits() != hits {
			t.Errorf("round %d: %d hits after the mode was live again, want %d", round, s.hits(), hits)
		}
	}
}

func TestTuneChangesTheLimitsOfConnectionsToComeAndSaysSoToClients(t *testing.T) {
	store := miniredis.RunT(t)
	var cfg proxy.Config
	s := newStack(t, store.Addr(), func(s *setup) { cfg = s.proxy })
	first := s.dial()
	first.do("PING")
	cfg.MaxClients = 1
	s.server.Tune(cfg)
	if got := s.dial().do("PING"); !strings.Contains(got, "max number of clients") {
		t.Errorf("one client too many is told %q", got)
	}
	if got := first.do("PING"); !strings.Contains(got, "PONG") {
		t.Errorf("the client that was there is told %q", got)
	}
	cfg.MaxClients = 10
	s.server.Tune(cfg)
	if got := s.dial().do("PING"); !strings.Contains(got, "PONG") {
		t.Errorf("with room again a client is told %q", got)
	}
}
