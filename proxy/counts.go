package proxy

import "sync/atomic"

// Outcomes of a command.
const (
	outcomeHit    = iota // all from the cache
	outcomeMixed         // some from the cache, some fetched
	outcomeMiss          // all fetched
	outcomeBypass        // a read that went past the cache
	outcomes
)

var outcomeNames = [outcomes]string{"hit", "mixed", "miss", "bypass"}

// Results of a field asked for.
const (
	fieldHit      = iota // a value from the cache
	fieldNegative        // "there is none" from the cache
	fieldStale           // held, but no longer fresh: fetched
	fieldStaleHit        // held, stale by a marker, and served all the same
	fieldMiss            // not held: fetched
	fieldBypass          // of a read that went past the cache
	fieldResults
)

var fieldNames = [fieldResults]string{"hit", "negative_hit", "stale", "stale_hit", "miss", "bypass"}

// counts are one connection's. Its reader alone adds to them, so that no two
// cores share their cache line; they are added up when somebody asks.
type counts struct {
	hmget, hget [outcomes]atomic.Uint64
	fields      [fieldResults]atomic.Uint64
	bypassed    [bypassReasons]atomic.Uint64
	bytesIn     atomic.Uint64
}

func (c *counts) command(single bool) *[outcomes]atomic.Uint64 {
	if single {
		return &c.hget
	}
	return &c.hmget
}

// add is Add for a counter that only one goroutine writes.
func add(counter *atomic.Uint64, n int) { counter.Store(counter.Load() + uint64(n)) }

// hit counts a read answered from the cache whole: so many fields, of which so
// many are fresh nils, and so many stale.
func (c *counts) hit(single bool, fields, negatives, stale int) {
	add(&c.command(single)[outcomeHit], 1)
	add(&c.fields[fieldHit], fields-negatives-stale)
	if negatives > 0 {
		add(&c.fields[fieldNegative], negatives)
	}
	if stale > 0 {
		add(&c.fields[fieldStaleHit], stale)
	}
}

// hits is how many commands were answered from the cache whole.
func (c *counts) hits() uint64 { return c.hmget[outcomeHit].Load() + c.hget[outcomeHit].Load() }

// foundFields counts fields that came from the cache: all, and nils among them.
type foundFields struct{ all, negative int }

func (c *counts) miss(single bool, found foundFields, missing, stale int) {
	outcome := outcomeMiss
	if found.all > 0 {
		outcome = outcomeMixed
	}
	add(&c.command(single)[outcome], 1)
	add(&c.fields[fieldHit], found.all-found.negative)
	add(&c.fields[fieldNegative], found.negative)
	add(&c.fields[fieldStale], stale)
	add(&c.fields[fieldMiss], missing-stale)
}

func (c *counts) bypass(why bypassReason, single bool, fields int) {
	add(&c.command(single)[outcomeBypass], 1)
	add(&c.fields[fieldBypass], fields)
	add(&c.bypassed[why], 1)
}

// addTo adds the counts to a sum.
func (c *counts) addTo(sum *Stats) {
	for i := range outcomes {
		sum.HMGET[i] += c.hmget[i].Load()
		sum.HGET[i] += c.hget[i].Load()
	}
	for i := range fieldResults {
		sum.Fields[i] += c.fields[i].Load()
	}
	for i := range bypassReasons {
		sum.Bypassed[i] += c.bypassed[i].Load()
	}
	sum.BytesIn += c.bytesIn.Load()
}
