package admin

import "github.com/fsproxy/fsproxy/cluster"

// upstreamMetrics tell of the store: what it was asked, how its fetchers are, and
// what is known of its topology.
var upstreamMetrics = []metric{
	{"fsproxy_fetches_total", counter, []string{"fetcher"}, "Fetches sent to a fetcher.", perFetcher(func(f cluster.FetcherStatus) float64 { return float64(f.Stats.Fetches.Load()) })},
	{"fsproxy_fetch_errors_total", counter, []string{"fetcher"}, "Connections to a fetcher that were refused or lost.", perFetcher(func(f cluster.FetcherStatus) float64 { return float64(f.Stats.Errors.Load()) })},
	{"fsproxy_fetch_timeouts_total", counter, []string{"fetcher"}, "Fetches that a fetcher did not answer within upstream.fetch_timeout.", perFetcher(func(f cluster.FetcherStatus) float64 { return float64(f.Stats.Timeouts.Load()) })},
	{"fsproxy_fetch_answered_total", counter, []string{"fetcher"}, "Fetches that a fetcher answered in time.", perFetcher(func(f cluster.FetcherStatus) float64 { return float64(f.Stats.Answered.Load()) })},
	{"fsproxy_fetch_seconds_total", counter, []string{"fetcher"}, "Time from sending to answer of all answered fetches; divide by fsproxy_fetch_answered_total for the mean.", perFetcher(func(f cluster.FetcherStatus) float64 { return float64(f.Stats.Nanos.Load()) / 1e9 })},
	{"fsproxy_fetches_in_flight", gauge, []string{"fetcher"}, "Fetches sent to a fetcher and not answered, late ones included.", perFetcher(func(f cluster.FetcherStatus) float64 { return float64(f.Outstanding) })},
	{"fsproxy_fetcher_latency_seconds", gauge, []string{"fetcher"}, "Recent average of the time from sending a fetch to its answer, by which fetchers are chosen; 0 until one was answered.", perFetcher(func(f cluster.FetcherStatus) float64 { return f.Latency.Seconds() })},
	{"fsproxy_fetcher_state", gauge, []string{"fetcher", "state"}, "1 for the state that a fetcher is in: serving, warming (its share still grows), aside (set aside, and probed), down (it cannot be reached).", func(s *scrape, emit emit) {
		s.upstream.FetcherStatuses(func(f cluster.FetcherStatus) { emit(1, f.Addr, string(f.State)) })
	}},
	{"fsproxy_fetcher_ejections_total", counter, []string{"fetcher"}, "Times that a fetcher was set aside for errors, time-outs, latency, or because it said that it cannot answer now.", perFetcher(func(f cluster.FetcherStatus) float64 { return float64(f.Stats.Ejections.Load()) })},
	{"fsproxy_fetches_joined_total", counter, nil, "Fetches that others in flight for the same fields answered, in whole or in part.", plain(func(s *scrape) uint64 { return s.upstream.Joined.Load() })},
	{"fsproxy_fetch_retries_total", counter, nil, "Fetches sent once more, to another fetcher.", plain(func(s *scrape) uint64 { return s.upstream.Retries.Load() })},
	{"fsproxy_fetch_hedges_total", counter, []string{"result"}, "Fetches sent to a second fetcher because they took long: won (the second answered first), lost.", func(s *scrape, emit emit) {
		won := s.upstream.HedgesWon.Load()
		emit(float64(won), "won")
		emit(float64(s.upstream.Hedges.Load()-won), "lost")
	}},
	{"fsproxy_fetches_refused_total", counter, nil, "Fetches that failed at once because each fetcher of their shard had upstream.max_in_flight unanswered.", plain(func(s *scrape) uint64 { return s.upstream.Full.Load() })},
	{"fsproxy_fetch_redirects_total", counter, nil, "Fetches sent on to where MOVED or ASK pointed.", plain(func(s *scrape) uint64 { return s.upstream.Redirects.Load() })},

	{"fsproxy_topology_age_seconds", gauge, nil, "Time since the topology in use was read; absent until the store was found.", func(s *scrape, emit emit) {
		if t, age := s.upstream.Topology(); t != nil {
			emit(age.Seconds())
		}
	}},
	{"fsproxy_topology_fetchers", gauge, nil, "Fetchers in the topology in use.", func(s *scrape, emit emit) {
		if t, _ := s.upstream.Topology(); t != nil {
			emit(float64(len(t.Nodes())))
		}
	}},
	{"fsproxy_topology_uncovered_slots", gauge, nil, "Slots that no fetcher serves by the topology in use: reads of theirs fail. Absent until the store was found.", func(s *scrape, emit emit) {
		if t, _ := s.upstream.Topology(); t != nil {
			emit(float64(cluster.Slots - t.Covered()))
		}
	}},
	{"fsproxy_topology_refreshes_total", counter, []string{"result"}, "Readings of the topology: ok, error, refused (it leaves more slots uncovered than the one in use, or is one server's where that is a fleet's, and has not persisted yet).", func(s *scrape, emit emit) {
		emit(float64(s.upstream.Refreshes.Load()), "ok")
		emit(float64(s.upstream.RefreshErrors.Load()), "error")
		emit(float64(s.upstream.Refused.Load()), "refused")
	}},
}

func perFetcher(value func(f cluster.FetcherStatus) float64) func(*scrape, emit) {
	return func(s *scrape, emit emit) {
		s.upstream.FetcherStatuses(func(f cluster.FetcherStatus) { emit(value(f), f.Addr) })
	}
}
