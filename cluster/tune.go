package cluster

// Tune takes over from cfg what may change while the store is in use: how
// connections are encrypted and with which password they are opened, for those to
// come; timeouts, bounds and intervals at once. Which store it is, as whom it is
// asked and how many connections each fetcher has, stays.
func (u *Upstream) Tune(cfg Config) {
	before := u.cfg()
	tuned := *before
	tuned.TLS, tuned.Password = cfg.TLS, cfg.Password
	tuned.ConnectTimeout, tuned.FetchTimeout = cfg.ConnectTimeout, cfg.FetchTimeout
	tuned.RefreshInterval, tuned.TopologyPatience = cfg.RefreshInterval, cfg.TopologyPatience
	tuned.MaxInFlight, tuned.HedgeBudget, tuned.SlowStart = cfg.MaxInFlight, cfg.HedgeBudget, cfg.SlowStart
	tuned.complete()
	u.tuned.Store(&tuned)
	u.discovery.tune(cfg.Discovery)
	u.mu.Lock()
	for _, f := range u.fetchers {
		f.bound(&tuned)
	}
	u.mu.Unlock()
	if tuned.RefreshInterval != before.RefreshInterval {
		u.askRefresh() // or it would go by the old one until that has passed
	}
}

// Config is what is in force.
func (u *Upstream) Config() Config { return *u.cfg() }

// cfg is what NewUpstream was given, with what Tune has changed of it since.
// Immutable.
func (u *Upstream) cfg() *Config { return u.tuned.Load() }

// complete puts defaults in place of what was left out.
func (c *Config) complete() {
	if c.MaxInFlight <= 0 {
		c.MaxInFlight = DefaultMaxInFlight
	}
	c.Discovery.Zones = c.Zone != ""
}

// bound takes over what a fetcher needs of the configuration for each fetch.
func (f *fetcher) bound(cfg *Config) {
	f.maxInFlight.Store(int64(cfg.MaxInFlight))
	f.slowStart.Store(int64(cfg.SlowStart))
}

// tune takes over how addresses are connected to from now on. One that failed
// before is asked again when its pause is over.
func (d *Discovery) tune(config DiscoveryConfig) {
	tuned := *d.config()
	tuned.TLS, tuned.Password, tuned.ConnectTimeout = config.TLS, config.Password, config.ConnectTimeout
	tuned.complete()
	d.tuned.Store(&tuned)
}
