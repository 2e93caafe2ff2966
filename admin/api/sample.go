package api

// Sample is a second of a process's life: rates are of that second, gauges as it
// ended. What did not happen in it, such as a miss, has no latency.
type Sample struct {
	ID   uint64 `json:"id"`   // rises by one a second within one run of the process
	Time int64  `json:"time"` // Unix milliseconds at its end

	HitRate  *float64 `json:"hit_rate,omitempty"` // of fields, 0 to 1
	Reads    float64  `json:"reads"`              // HMGET and HGET a second
	Hits     float64  `json:"hits"`               // of them, answered from memory whole
	Fields   float64  `json:"fields"`             // asked for, a second
	Fetches  float64  `json:"fetches"`            // sent to the store, a second
	Bypassed float64  `json:"bypassed"`           // reads a second that went past the cache
	Errors   float64  `json:"errors"`             // reads answered with an error, a second
	Refused  float64  `json:"refused"`            // client connections a second, as limits.max_clients were open

	HitP50  *float64 `json:"hit_p50_seconds,omitempty"`
	HitP99  *float64 `json:"hit_p99_seconds,omitempty"`
	MissP50 *float64 `json:"miss_p50_seconds,omitempty"`
	MissP99 *float64 `json:"miss_p99_seconds,omitempty"`

	CacheBytes    int64    `json:"cache_bytes"`
	ResidentBytes int64    `json:"resident_bytes,omitempty"`
	CPU           float64  `json:"cpu"` // cores in use
	Connections   int      `json:"connections"`
	Lag           *float64 `json:"lag_seconds,omitempty"` // of the source that is furthest behind
}

// History is what happened lately, oldest first.
type History struct {
	Run     int64    `json:"run"` // tells this run of the process from others
	Samples []Sample `json:"samples"`
}
