package api

// Feature is what is known of one feature.
type Feature struct {
	Field string `json:"field"`          // as the store has it
	Name  string `json:"name,omitempty"` // where a catalogue knows it
	// Hits is how often it was asked for and answered from memory, Misses how
	// often it was fetched.
	Hits    uint64   `json:"hits"`
	Misses  uint64   `json:"misses"`
	HitRate *float64 `json:"hit_rate,omitempty"`
	// Values held of it, Bytes of them in all and their greatest age, as far as a
	// sample of the rows tells.
	Values        int64    `json:"values"`
	Bytes         int64    `json:"bytes"`
	OldestSeconds *float64 `json:"oldest_seconds,omitempty"`
	// InvalidatedSeconds is how long ago it was last invalidated whole, by a
	// marker or by hand.
	InvalidatedSeconds *float64 `json:"invalidated_seconds,omitempty"`
	Suspended          bool     `json:"suspended"` // fetched each time: what should invalidate it is not trusted
	Kept               bool     `json:"kept"`      // false: never kept, by cache.never_cache
	Rule               string   `json:"rule"`      // the one that decides for it
	Undecoded          uint64   `json:"undecoded"` // values that did not decode by the catalogue, and were served as stored
}

// Features are features, those asked for most first.
type Features struct {
	Total    int       `json:"total"`   // known
	Matched  int       `json:"matched"` // of them, those that fit what was asked
	Features []Feature `json:"features"`
}

// Entity is what is held of one entity.
type Entity struct {
	Entity       string `json:"entity"`
	EntityBase64 string `json:"entity_base64,omitempty"` // of one that is no text
	Held         bool   `json:"held"`
	Updated      bool   `json:"updated"` // an update was so near that nothing fetched now is kept
	Bytes        int    `json:"bytes"`   // of its row
	// FilledFrom is the fetcher that gave what came last; empty: not known, as of a
	// row that outlived its process.
	FilledFrom string `json:"filled_from,omitempty"`
	Shard      int    `json:"shard"` // that its slot belongs to; -1: none
	Slot       int    `json:"slot"`
	// Nodes are those that may have given the values: any fetcher of the shard.
	Nodes  []string `json:"nodes"`
	Values []Value  `json:"values"`
}

// Value is one value held. What it is does not show; what can be told apart does.
type Value struct {
	Field      string  `json:"field"`
	Name       string  `json:"name,omitempty"`
	Form       string  `json:"form"` // stored, decoded, array or double
	Bytes      int     `json:"bytes"`
	Missing    bool    `json:"missing"` // what is held is that the store has none
	AgeSeconds float64 `json:"age_seconds"`
	Served     bool    `json:"served"` // it would be answered from memory
	Why        string  `json:"why"`    // why it would, or would not
}

// Hot is an entity that is asked for much.
type Hot struct {
	Entity       string `json:"entity"`
	EntityBase64 string `json:"entity_base64,omitempty"`
	Bytes        int    `json:"bytes"`
	Values       int    `json:"values"`
}
