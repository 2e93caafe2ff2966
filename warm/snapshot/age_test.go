package snapshot

import (
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cache"
)

// A value is as old after a restart as it is: no tick is carried over to a later
// one than when it was fetched, and none is made much older.
func TestAgesAreCarriedOverWhole(t *testing.T) {
	const tick = int64(cache.TickLength)
	now := &Clock{Boot: "b", earliest: 1000 * tick, latest: 1000*tick + 3}
	h := &Header{First: 500, Tick: tick, Epoch: 900 * tick}
	for _, ticks := range []int64{-800, -1, 0, 1, 50, 99} { // since the epoch: 100 are now
		carried := now.carry(h, 500+ticks)
		age := int64(ahead-carried) * tick
		if true := (100 - ticks) * tick; age < true || age > true+3*tick {
			t.Errorf("a value %d ticks old is %d after", 100-ticks, age/tick)
		}
	}
	for name, c := range map[string]struct {
		h    Header
		tick int64
	}{
		"in the future": {*h, 602}, "older than any age": {*h, 500 - int64(ahead)},
		"overflow":        {Header{First: 0, Tick: int64(time.Second), Epoch: 0}, 1<<62 - 1},
		"overflow before": {Header{First: 1 << 62, Tick: int64(time.Second), Epoch: 0}, 0},
	} {
		if got := now.carry(&c.h, c.tick); got != 0 {
			t.Errorf("%s: carried to %d", name, got)
		}
	}
	// Coarser and finer ticks, as of another build.
	coarse := &Header{First: 1, Tick: 10 * tick, Epoch: 900 * tick}
	if got := now.carry(coarse, 2); int64(ahead-got) < 90 || int64(ahead-got) > 93 {
		t.Errorf("a coarse tick 90 ago is %d ago", int64(ahead-got))
	}
}

// A process that has been running for long has fetched what it holds lately.
func TestAProcessMayRunForLongerThanAnyAge(t *testing.T) {
	const tick = int64(cache.TickLength)
	long := 3 * int64(ahead)
	now := &Clock{Boot: "b", earliest: (long + 100) * tick, latest: (long+100)*tick + 3}
	h := &Header{First: int64(ahead), Tick: tick, Epoch: 0}
	if got := int64(ahead - now.carry(h, int64(ahead)+long)); got < 100 || got > 103 {
		t.Errorf("a value 100 ticks old is %d after", got)
	}
}

// However many processes take rows over from one another, by file or as peers: a row
// is still there, and as old as it is.
func TestRowsKeepTheirAgeOverAnyNumberOfProcesses(t *testing.T) {
	for name, hops := range map[string][]string{
		"files": {"file", "file", "file", "file"}, "peers": {"peer", "peer", "peer"}, "both": {"file", "peer", "file", "file", "peer"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(t)
			before := sinceBoot()
			p.fill("e", p.projection("a"), "1")
			slack := int64(0) // each process rounds, and does not know quite when it began
			for i, hop := range hops {
				next, loaded, err := ways[hop](t, p, func() *process { return newProcess(t) })
				if p = next; err != nil || loaded.Values != 1 {
					t.Fatalf("process %d: %+v, %v", i+2, loaded, err)
				}
				// Whatever a transfer takes counts twice, as when the peer was asked is all that is known.
				slack += p.clock.latest - p.clock.earliest + 3*int64(cache.TickLength) + sinceBoot() - before
				said := p.fetchedAt("e")
				if said > before || said < before-slack {
					t.Fatalf("process %d: fetched %s ago, and taken for %s", i+2, time.Duration(sinceBoot()-before), time.Duration(sinceBoot()-said))
				}
			}
			if got := p.get("e", p.projection("a")); got != "1" {
				t.Errorf("%q", got)
			}
		})
	}
}

// fetchedAt is when what is held of an entity was fetched at the latest, in
// nanoseconds since the boot.
func (p *process) fetchedAt(entity string) (at int64) {
	p.t.Helper()
	found := false
	p.Export(func(e *cache.Exported) bool {
		if e.Entity == entity {
			_, tick, ok := e.Value(0, p.clock.Now())
			at, found = p.clock.latest+int64(tick-ahead)*int64(cache.TickLength), ok
		}
		return true
	})
	if !found {
		p.t.Fatal("it is not held")
	}
	return at
}
