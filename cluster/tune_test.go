package cluster

import (
	"testing"
	"time"
)

// What is tuned counts for fetchers that are there, and for timers that wait already.
func TestWhatIsTunedCountsAtOnce(t *testing.T) {
	inParallel(t)
	f := startFake(t)
	u := upstreamOf(t, func(cfg *Config) { cfg.RefreshInterval = time.Hour }, f)
	get(t, u, "k")
	cfg := u.Config()
	cfg.RefreshInterval, cfg.MaxInFlight, cfg.SlowStart, cfg.FetchTimeout = 10*time.Millisecond, 7, time.Minute, time.Second
	cfg.Connections, cfg.Username = 9, "another"
	u.Tune(cfg)
	known := u.fetcherAt(f.addr)
	if known.maxInFlight.Load() != 7 || known.slowStart.Load() != int64(time.Minute) {
		t.Errorf("the fetcher has a bound of %d and a slow start of %s", known.maxInFlight.Load(), time.Duration(known.slowStart.Load()))
	}
	if now := u.Config(); now.FetchTimeout != time.Second || now.Connections == 9 || now.Username == "another" {
		t.Errorf("in force: %+v", now)
	}
	before := u.Refreshes.Load()
	until(t, "the topology is asked for by the new interval", func() bool { return u.Refreshes.Load() > before+3 })
	get(t, u, "k")
}
