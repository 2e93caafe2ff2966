package cache

import (
	"testing"
	"time"
)

// A value that was fetched while policies are asked for anew, and measured by the
// old ones, is not served for longer than the new ones allow.
func TestAFillBesideRepolicyKeepsToTheNewAge(t *testing.T) {
	cfg := roomy
	cfg.Policy = func(string) Policy { return Policy{MaxAge: time.Hour, NegativeMaxAge: time.Hour, Keep: true} }
	r := newRig(t, cfg)
	r.at(10)
	p := r.mustProject("a")
	r.Repolicy(func(string) Policy {
		r.at(12) // many features take time
		r.fillAll("e", p, 12, "1")
		return Policy{MaxAge: time.Second, NegativeMaxAge: time.Second, Keep: true}
	})
	r.want("e", p, 12+Ticks(2*time.Second))
}
