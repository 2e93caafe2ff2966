package invalidation

import (
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/feature"
)

// Memory is what sources act on; [Adapt] makes one of a cache. All methods may
// be called from any goroutine. In each, settle is how long from now a fetcher
// may still answer with what was true before.
type Memory interface {
	// Update evicts some features of an entity.
	Update(entity []byte, features [][]byte, settle time.Duration)
	// Apply puts newer values of an entity in place, without a fetch, where it
	// can, and evicts where it cannot. It returns how many it put in place. lag is
	// how late another such record of the entity may come.
	Apply(entity []byte, values []Value, version int64, settle, lag time.Duration) (applied int)
	// Invalidate evicts an entity whole.
	Invalidate(entity []byte, settle time.Duration)
	// InvalidateAll forgets everything.
	InvalidateAll(settle time.Duration)
	// Mark makes the values held of the covered features stale, as an upload's
	// marker does: they may be served for as long as stale values are allowed. It
	// returns how many features were meant.
	Mark(cover *feature.Cover) (features int)
	// Forget is Mark without that leave.
	Forget(cover *feature.Cover, settle time.Duration) (features int)
	// Suspend has the covered features fetched each time and not kept, until the
	// suspension is resumed. Suspensions may overlap.
	Suspend(cover *feature.Cover) Suspension
}

// Suspension is what keeps features from being served from memory.
type Suspension interface {
	// Resume ends it, and forgets what it covers.
	Resume(settle time.Duration)
	// Lift ends it, and keeps what is held: nothing was missed. No fetch of what
	// it covers that begins until hold from now is kept.
	Lift(hold time.Duration)
}

// Value is a feature's new value.
type Value = cache.Value

// Adapt makes a Memory of a cache.
func Adapt(c *cache.Cache) Memory { return memory{c} }

type memory struct{ *cache.Cache }

// Suspend implements Memory.
func (m memory) Suspend(cover *feature.Cover) Suspension { return m.Cache.Suspend(cover) }
