package admin

import (
	"github.com/fsproxy/fsproxy/rollout"
)

// rolloutMetrics are those of comparisons with the store.
var rolloutMetrics = []metric{
	{"fsproxy_compared_total", counter, []string{"kind", "class"}, "Values compared, by kind: dry_run, verify (answers from memory that were sampled), shadow (with a second store); and by class: match, spelling (the same number or list, written otherwise), stale_within_promise, replica_noise (the store's fetchers differ), wrong.", ifCompared(func(_ *scrape, s *rollout.Stats, emit emit) {
		s.ComparedValues(func(kind, class string, n uint64) { emit(float64(n), kind, class) })
	})},
	{"fsproxy_compared_dropped_total", counter, []string{"kind", "reason"}, "What was not compared: queue (no room for the read: rollout.queue), pending (no room for a difference that is to be judged), unanswered (the store did not answer the read), unjudged (nor the questions by which a difference is judged).", ifCompared(func(_ *scrape, s *rollout.Stats, emit emit) {
		s.Drops(func(kind, reason string, n uint64) { emit(float64(n), kind, reason) })
	})},
	{"fsproxy_differences", gauge, []string{"class"}, "Differences that are remembered for the admin API (rollout.differences).", ifCompared(func(_ *scrape, s *rollout.Stats, emit emit) {
		for class, n := range s.Kept {
			if rollout.Class(class) != rollout.Match {
				emit(float64(n), rollout.Class(class).String())
			}
		}
	})},
	{"fsproxy_projected_commands_total", counter, []string{"outcome"}, "What mode live would have made of the reads in dry-run that were compared: hit (all from memory: a read that the store would be spared), mixed, miss.", ifCompared(func(_ *scrape, s *rollout.Stats, emit emit) {
		emit(float64(s.Served), "hit")
		emit(float64(s.Partly), "mixed")
		emit(float64(s.Reads-s.Served-s.Partly), "miss")
	})},
	{"fsproxy_projected_fields_total", counter, []string{"result"}, "The same of fields: hit, miss.", ifCompared(func(_ *scrape, s *rollout.Stats, emit emit) {
		emit(float64(s.ServedValues), "hit")
		emit(float64(s.Values-s.ServedValues), "miss")
	})},
	{"fsproxy_projected_cache_bytes", gauge, nil, "Memory that rows would take in mode live: what they take now, as reads in dry-run fill them too; 0 where none was in dry-run.", ifCompared(func(_ *scrape, s *rollout.Stats, emit emit) {
		emit(float64(s.Bytes))
	})},
	{"fsproxy_feature_compared_total", counter, []string{"feature", "class"}, "Values compared in dry-run or by verification, by class (match, spelling, stale_within_promise, replica_noise, wrong), of the features that are asked for most (metrics.features says how many).", func(s *scrape, emit emit) {
		if s.compared == nil {
			return
		}
		all := s.compared.Features()
		for _, f := range s.features {
			of, ok := all[f.Name]
			if !ok {
				continue
			}
			for class := range rollout.Classes {
				emit(float64(of[rollout.KindDryRun][class]+of[rollout.KindVerify][class]), f.label, class.String())
			}
		}
	}},
}

// ifCompared is the read of a metric of a rollout, if there is one.
func ifCompared(read func(s *scrape, stats *rollout.Stats, emit emit)) func(*scrape, emit) {
	return func(s *scrape, emit emit) {
		if s.compared != nil {
			read(s, &s.rollout, emit)
		}
	}
}
