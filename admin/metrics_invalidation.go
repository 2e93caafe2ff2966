package admin

import (
	"time"

	"github.com/fsproxy/fsproxy/invalidation"
)

var ofSource = []string{"source", "kind"}

// invalidationMetrics are those of the sources of invalidations.
var invalidationMetrics = []metric{
	{"fsproxy_source_state", gauge, []string{"source", "kind", "state"}, "1 for the state that a source of invalidations is in, 0 for the others: starting, trusted, lagging, lost, serving (not trusted, and served for serve_for nevertheless).", func(s *scrape, emit emit) {
		for _, from := range s.sources {
			for _, state := range invalidation.States {
				emit(one(from.State == state), from.Name, from.Kind, string(state))
			}
		}
	}},
	{"fsproxy_source_suspended", gauge, ofSource, "1 while what the source covers is fetched each time and not kept, because the source cannot be trusted.", perSource(func(s *invalidation.Status) float64 { return one(s.Suspended) })},
	{"fsproxy_source_lag_seconds", gauge, ofSource, "How far the source is behind, the time since it was last heard included.", perSource(func(s *invalidation.Status) float64 { return s.Lag.Seconds() })},
	{"fsproxy_source_max_lag_seconds", gauge, ofSource, "The bound on fsproxy_source_lag_seconds: max_lag or max_silence.", perSource(func(s *invalidation.Status) float64 { return s.MaxLag.Seconds() })},
	{"fsproxy_source_lag_records", gauge, ofSource, "Records of a topic that are not read yet.", perSource(func(s *invalidation.Status) float64 { return float64(s.LagRecords) })},
	{"fsproxy_source_last_heard_seconds", gauge, ofSource, "Time since the source answered last; absent until it did.", func(s *scrape, emit emit) {
		for _, from := range s.sources {
			if !from.LastHeard.IsZero() {
				emit(time.Since(from.LastHeard).Seconds(), from.Name, from.Kind)
			}
		}
	}},
	{"fsproxy_source_gaps_total", counter, ofSource, "Times that invalidations were missed, and what they may concern was forgotten.", perSource(func(s *invalidation.Status) float64 { return float64(s.Gaps) })},
	{"fsproxy_invalidations_total", counter, []string{"source", "kind", "what"}, "Invalidations: marker (of a feature or group), update (features of an entity dropped), apply (features of an entity replaced), entity (dropped whole), forget (all that a source covers).", func(s *scrape, emit emit) {
		for _, from := range s.sources {
			for what, n := range from.Counts {
				emit(float64(n), from.Name, from.Kind, string(what))
			}
		}
	}},
	{"fsproxy_source_records_total", counter, []string{"source", "kind", "result"}, "Records of a topic: read (all of them), unreadable (skipped; the entity in the record's key was forgotten).", perRecords(func(r *invalidation.Records, emit func(uint64, string)) {
		emit(r.Read, "read")
		emit(r.Unreadable, "unreadable")
	})},
	{"fsproxy_source_values_total", counter, []string{"source", "kind", "result"}, "Values that a topic's records told of: evicted, applied (put in place), uncovered (evicted or applied too, but of features that the topic is not said to cover).", perRecords(func(r *invalidation.Records, emit func(uint64, string)) {
		emit(r.Evicted, "evicted")
		emit(r.Applied, "applied")
		emit(r.Uncovered, "uncovered")
	})},
}

func perRecords(values func(*invalidation.Records, func(n uint64, result string))) func(*scrape, emit) {
	return func(s *scrape, emit emit) {
		for _, from := range s.sources {
			if from.Records != nil {
				values(from.Records, func(n uint64, result string) { emit(float64(n), from.Name, from.Kind, result) })
			}
		}
	}
}

func perSource(value func(*invalidation.Status) float64) func(*scrape, emit) {
	return func(s *scrape, emit emit) {
		for i := range s.sources {
			from := &s.sources[i]
			emit(value(from), from.Name, from.Kind)
		}
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
