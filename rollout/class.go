package rollout

import "time"

// Class is what a comparison of two values came to.
type Class uint8

// The classes.
const (
	Match    Class = iota // the same bytes
	Spelling              // the same number or list, written otherwise
	Stale                 // memory was behind, within the bound of the promise
	Noise                 // fetchers of one store differ, and one of them says what memory said
	Wrong                 // memory had what no fetcher says, past the bound
	Classes
)

var classNames = [Classes]string{"match", "spelling", "stale_within_promise", "replica_noise", "wrong"}

func (c Class) String() string { return classNames[c] }

// Kind is what gave cause to a comparison.
type Kind uint8

// The kinds.
const (
	KindDryRun Kind = iota // a read in dry-run
	KindVerify             // an answer from memory that was sampled
	KindShadow             // a fetch that was repeated at the second store
	Kinds
)

var kindNames = [Kinds]string{"dry_run", "verify", "shadow"}

func (k Kind) String() string { return kindNames[k] }

// Difference is one that was found and judged. Values are in the log and here
// only if that is switched on.
type Difference struct {
	Time    time.Time `json:"time"` // when it was found
	Kind    string    `json:"kind"`
	Class   string    `json:"class"`
	Entity  string    `json:"entity"`
	Feature string    `json:"feature"`        // the store's field
	Name    string    `json:"name,omitempty"` // where a catalogue knows it
	// Age is how old the value in memory was when it was compared.
	Age float64 `json:"age_seconds"`
	// Lasted is how long after that it was judged; 0: at once.
	Lasted float64 `json:"lasted_seconds"`
	// Times is how often the same value was compared and differed meanwhile.
	Times int `json:"times"`
	// Source is what should have told of the change: the sources of invalidations
	// that cover the feature, or "max_age" where none does.
	Source  string `json:"source,omitempty"`
	Fetcher string `json:"fetcher,omitempty"` // that gave the store's value
	// CachedHash and StoredHash are xxhash64 of the values, in hexadecimal;
	// "missing" of one that is not there. For a shadow store, cached is what the
	// second store says.
	CachedHash string `json:"cached_hash"`
	StoredHash string `json:"stored_hash"`
	Cached     string `json:"cached,omitempty"`
	Stored     string `json:"stored,omitempty"`
}
