package api

import "time"

// Option is one option as it is in force.
type Option struct {
	Key        string `json:"key"`
	Value      string `json:"value"` // as the file would have it; a secret is masked
	Default    string `json:"default"`
	Origin     string `json:"origin"` // "default", or where the value was given
	Reloadable bool   `json:"reloadable"`
	Waiting    bool   `json:"waiting"` // the file has another value, which a restart would take over
	Meaning    string `json:"meaning"`
}

// Config is the configuration in force.
type Config struct {
	Options []Option `json:"options"`
	YAML    string   `json:"yaml"` // the same as a file that loads to it
}

// Topology is what is known of the store.
type Topology struct {
	Kind       string    `json:"kind"` // "" until it was found
	Version    string    `json:"version"`
	AgeSeconds float64   `json:"age_seconds"`
	Covered    int       `json:"covered_slots"`
	Slots      int       `json:"slots"`
	Refreshes  uint64    `json:"refreshes"`
	Failures   uint64    `json:"refresh_failures"`
	Shards     []Shard   `json:"shards"`
	Fetchers   []Fetcher `json:"fetchers"` // every one in use, whether or not a shard names it
}

// Shard is a set of nodes that answer for the same slots.
type Shard struct {
	Slots []string `json:"slots"` // ranges: "0-5460"
	Nodes []string `json:"nodes"`
}

// Fetcher is a node that answers reads, and how it does.
type Fetcher struct {
	Address        string   `json:"address"`
	Zone           string   `json:"zone,omitempty"`
	Shards         []int    `json:"shards"`                  // indexes of Topology.Shards
	State          string   `json:"state"`                   // serving, warming, aside, down
	Why            string   `json:"why,omitempty"`           // of aside and down
	UntilSeconds   float64  `json:"until_seconds,omitempty"` // of aside: when it is probed again
	Outstanding    int64    `json:"outstanding"`
	LatencySeconds *float64 `json:"latency_seconds,omitempty"` // the recent average
	Fetches        uint64   `json:"fetches"`
	Answered       uint64   `json:"answered"`
	Errors         uint64   `json:"errors"`
	Timeouts       uint64   `json:"timeouts"`
	Ejections      uint64   `json:"ejections"` // times that it was set aside
}

// Source is what tells of new values, and whether it can be trusted.
type Source struct {
	Name             string   `json:"name"`
	Kind             string   `json:"kind"`  // markers, kafka, tracking
	State            string   `json:"state"` // starting, trusted, lagging, lost, serving
	SinceSeconds     float64  `json:"since_seconds"`
	Suspended        bool     `json:"suspended"` // what it covers is fetched each time
	Position         string   `json:"position"`
	LagSeconds       float64  `json:"lag_seconds"`
	LagRecords       int64    `json:"lag_records"`
	LastHeardSeconds *float64 `json:"last_heard_seconds,omitempty"` // ago; absent: never
	MaxLagSeconds    float64  `json:"max_lag_seconds"`              // its bound
	SettleSeconds    float64  `json:"settle_seconds"`
	Gaps             uint64   `json:"gaps"`
	OnLoss           string   `json:"on_loss"`
	Covers           []string `json:"covers"`
	Error            string   `json:"error,omitempty"`
	// Invalidations counts what it told, by kind: update, apply, entity, marker,
	// forget.
	Invalidations map[string]uint64 `json:"invalidations"`
}

// Difference is an answer from memory that was not what the store said, or one of
// the store's that was not what a second store said.
type Difference struct {
	Time       time.Time `json:"time"`
	Entity     string    `json:"entity"`
	Feature    string    `json:"feature"`
	Name       string    `json:"name,omitempty"` // of the feature, where a catalogue knows it
	Class      string    `json:"class"`          // stale_within_promise, replica_noise, spelling, wrong
	AgeSeconds float64   `json:"age_seconds"`    // of the cached value
	Source     string    `json:"source,omitempty"`
	CachedHash string    `json:"cached_hash"`
	StoredHash string    `json:"stored_hash"`
	Cached     string    `json:"cached,omitempty"` // the values, if that is switched on
	Stored     string    `json:"stored,omitempty"`

	Kind          string  `json:"kind"`              // dry_run, verify, or shadow: a second store's answer in the place of memory's
	Times         int     `json:"times"`             // that the same value was compared meanwhile
	LastedSeconds float64 `json:"lasted_seconds"`    // after that it was judged
	Fetcher       string  `json:"fetcher,omitempty"` // that gave the store's value
}

// Rule says what is done with the reads that it names. The first that matches a
// read decides; the last matches all.
type Rule struct {
	Name       string   `json:"name"`
	Features   []string `json:"features"` // empty: all
	Entities   []string `json:"entities"` // patterns; empty: all
	Mode       string   `json:"mode"`
	Percent    float64  `json:"percent"` // of entities, by hash
	VerifyRate float64  `json:"verify_percent"`
	// Compared counts comparisons of its features, by class, in dry-run and by
	// verification, since the start. A feature of which several rules take some
	// entities counts for each.
	Compared map[string]uint64 `json:"compared,omitempty"`
}

// Change is something that somebody did through the API.
type Change struct {
	Time time.Time `json:"time"`
	What string    `json:"what"`
	From string    `json:"from"` // address
	By   string    `json:"by"`   // loopback or token, and what the caller says of itself
}
