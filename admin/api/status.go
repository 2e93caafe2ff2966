package api

import "time"

// Health is the verdict on a process, for a person's first look. It takes no
// Pod out of service: readiness is another thing.
type Health string

// The verdicts.
const (
	HealthOK       Health = "ok"       // of a problem: worth knowing, and no trouble
	HealthDegraded Health = "degraded" // clients are served; something wants to be looked at
	HealthFailing  Health = "failing"  // clients get errors, or are about to
)

// Problem is one reason for a verdict, or worth knowing though the verdict is ok.
type Problem struct {
	Health Health `json:"health"` // the verdict that it alone would give
	What   string `json:"what"`
	Do     string `json:"do"` // what to do about it
}

// Build is what runs.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
}

// Status is what a process is, and how it is.
type Status struct {
	Health        Health      `json:"health"`
	Problems      []Problem   `json:"problems"` // worst first
	Mode          string      `json:"mode"`     // off, dry-run or live
	Ready         bool        `json:"ready"`
	Build         Build       `json:"build"`
	Host          string      `json:"host"` // the machine's or Pod's name
	Started       time.Time   `json:"started"`
	UptimeSeconds float64     `json:"uptime_seconds"`
	Store         Store       `json:"store"`
	Totals        Totals      `json:"totals"`
	Now           Sample      `json:"now"` // the last second; latencies, which are sampled, of up to 20 s before
	Memory        Memory      `json:"memory"`
	Connections   Connections `json:"connections"`
	Reload        Reload      `json:"reload"`
	// Rules is how many rules there are before the default one, and RulesVersion
	// tells them from others: the same rules have the same version in every process.
	// SetByHand tells that these, the mode or the percentage of the second store are
	// not those of the configuration: somebody has changed them through the API, and
	// a restart forgets it.
	Rules        int         `json:"rules"`
	RulesVersion string      `json:"rules_version"`
	SetByHand    bool        `json:"set_by_hand"`
	Comparison   *Comparison `json:"comparison,omitempty"` // absent: nothing was compared yet
	Shadow       *Shadow     `json:"shadow,omitempty"`     // absent: there is no second store
}

// Comparison is what came of comparing memory with the store, since the start.
type Comparison struct {
	Compared map[string]uint64 `json:"compared"` // values in dry-run and by verification, by class
	Dropped  uint64            `json:"dropped"`  // what was to be compared and was not
	// Projected is what mode live would have done with the reads in dry-run; absent:
	// there was none.
	Projected *Projected `json:"projected,omitempty"`
}

// Shadow is a second store at which a share of the fetches is repeated, and what came
// of comparing the two since the start.
type Shadow struct {
	Addresses []string          `json:"addresses"`
	Percent   float64           `json:"percent"`  // of the fetches
	Compared  map[string]uint64 `json:"compared"` // values, by class
	Dropped   uint64            `json:"dropped"`  // what was to be compared and was not
}

// Projected is what mode live would have brought.
type Projected struct {
	DryRun    bool    `json:"dry_run"`       // a rule in dry-run is in force now
	Reads     uint64  `json:"reads"`         // in dry-run, that were compared
	HitRate   float64 `json:"hit_rate"`      // of their fields, 0 to 1
	Avoided   float64 `json:"reads_avoided"` // the share of them that the store would be spared, 0 to 1
	CacheSize int64   `json:"cache_bytes"`   // that rows would take
}

// Store is what stands behind the proxy, in short.
type Store struct {
	Kind       string  `json:"kind"`    // "" until it was found
	Version    string  `json:"version"` // of Redis, as it says itself
	Fetchers   int     `json:"fetchers"`
	AgeSeconds float64 `json:"age_seconds"` // of the topology in use
}

// Totals are counts since the start.
type Totals struct {
	Reads         map[string]uint64 `json:"reads"`  // HMGET and HGET: hit, mixed, miss, bypass
	Fields        map[string]uint64 `json:"fields"` // hit, negative_hit, stale, miss, bypass
	ReadErrors    uint64            `json:"read_errors"`
	HitRate       *float64          `json:"hit_rate,omitempty"` // of fields, 0 to 1
	ReadsAvoided  uint64            `json:"reads_avoided"`      // reads that the store was spared
	FieldsAvoided uint64            `json:"fields_avoided"`
	Fetches       uint64            `json:"fetches"`
	CPUSeconds    float64           `json:"cpu_seconds"`
	BytesIn       uint64            `json:"received_bytes"`
	BytesOut      uint64            `json:"sent_bytes"`
	Evictions     uint64            `json:"evictions"`
}

// Memory is what is held, in bytes.
type Memory struct {
	Cache     int64  `json:"cache_bytes"`
	CacheMax  int64  `json:"cache_max_bytes"`
	Rows      int64  `json:"rows"`
	Values    int64  `json:"values"`
	Resident  int64  `json:"resident_bytes,omitempty"` // of the process; absent where the system does not tell
	Limit     int64  `json:"limit_bytes"`
	LimitFrom string `json:"limit_from"` // what sets the limit
}

// Connections are those of clients.
type Connections struct {
	Open     int    `json:"open"`
	Accepted uint64 `json:"accepted"`
	Refused  uint64 `json:"refused"`
}

// Access is what the caller may do.
type Access struct {
	Change bool   `json:"change"`
	Reason string `json:"reason,omitempty"` // why not, and what to do
	Token  bool   `json:"token"`            // one is configured
}
