package api

// Mode asks for another mode, and answers with the one in force.
type Mode struct {
	Mode string `json:"mode"`
}

// SetRules asks for other rules in the place of all.
type SetRules struct {
	// Rules are all of them in their order. What is left out of one is as in a
	// configuration file: all features and entities, live, 100, 0. The default rule
	// may end the list, for its mode; without it that stays as it is.
	Rules []RuleEdit `json:"rules"`
}

// RuleEdit is what a rule is to be. In [PathRule] it names one that is there, and
// what is left out of it stays as it is.
type RuleEdit struct {
	Name       string    `json:"name"`
	Features   *[]string `json:"features,omitempty"` // empty: all
	Entities   *[]string `json:"entities,omitempty"` // patterns; empty: all
	Mode       *string   `json:"mode,omitempty"`
	Percent    *float64  `json:"percent,omitempty"` // of entities, by hash, 0 to 100
	VerifyRate *float64  `json:"verify_percent,omitempty"`
	// Compared may be there as rules are shown with it, and means nothing.
	Compared map[string]uint64 `json:"compared,omitempty"`
}

// SetShadow asks for another share of the fetches to be repeated at the second
// store.
type SetShadow struct {
	Percent *float64 `json:"percent"` // 0 to 100
}

// Invalidate asks that something be not answered from memory again as it is held
// now. One of its fields is given.
type Invalidate struct {
	// Feature is a name, the store's field, or a pattern of either.
	Feature string `json:"feature,omitempty"`
	// Entity is the key of a hash; EntityBase64 one that is no text.
	Entity       string `json:"entity,omitempty"`
	EntityBase64 string `json:"entity_base64,omitempty"`
	All          bool   `json:"all,omitempty"`
}

// Invalidated is what came of it.
type Invalidated struct {
	What     string `json:"what"`
	Features int    `json:"features"` // known ones that were meant; of an entity: 0
}

// Flushed is what was held before a flush.
type Flushed struct {
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"`
}

// Reload is how the last reading of the configuration went.
type Reload struct {
	Supported bool     `json:"supported"` // there is a file to read again
	OK        bool     `json:"ok"`
	Error     string   `json:"error,omitempty"` // the old configuration is in force
	Changed   []string `json:"changed"`         // options that were taken over
	Restart   []string `json:"restart"`         // options that differ in the file and need a restart
	Count     uint64   `json:"count"`           // readings since the start
	Failures  uint64   `json:"failures"`
}
