package main

import (
	"cmp"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/config"
)

// policies tells the cache how the values of each field may be kept: as the
// catalogue says, and as the options say where it says nothing.
func policies(cfg *config.Config) func(field string) cache.Policy {
	catalogue := cfg.Catalogue()
	return func(field string) cache.Policy {
		p := catalogue.Policy(field)
		age := cmp.Or(p.MaxAge, cfg.Cache.MaxAge)
		return cache.Policy{
			MaxAge:         age,
			NegativeMaxAge: min(cmp.Or(p.NegativeMaxAge, cfg.Cache.NegativeMaxAge), age),
			StaleIfError:   max(cmp.Or(p.StaleIfError, cfg.Upstream.StaleIfError), 0), // below 0: never
			Keep:           p.Cacheable,
		}
	}
}
