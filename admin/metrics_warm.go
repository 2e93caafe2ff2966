package admin

import (
	"time"

	"github.com/fsproxy/fsproxy/warm/peer"
	"github.com/fsproxy/fsproxy/warm/snapshot"
)

// warmMetrics are of what makes a process that starts warm: rows that outlive the
// process, and peers; absent where there are none.
var warmMetrics = []metric{
	{"fsproxy_warm_loaded_rows", gauge, nil, "Rows taken over from an earlier process at the start (warm.file).", ifKept(func(k *snapshot.Stats, emit emit) { emit(float64(k.Loaded.Rows)) })},
	{"fsproxy_warm_refused", gauge, nil, "1 where the file was there at the start and of no use; the log says why.", ifKept(func(k *snapshot.Stats, emit emit) { emit(oneIf(k.Refused != "")) })},
	{"fsproxy_warm_saves_total", counter, []string{"result"}, "Snapshots of the rows: ok, error (none could be written).", ifKept(func(k *snapshot.Stats, emit emit) {
		emit(float64(k.Saves), "ok")
		emit(float64(k.Failures), "error")
	})},
	{"fsproxy_warm_voided_total", counter, nil, "Snapshots removed because of a write through fsproxy, or an invalidation by hand, that nobody tells of again.", ifKept(func(k *snapshot.Stats, emit emit) { emit(float64(k.Voided)) })},
	{"fsproxy_warm_saved_rows", gauge, nil, "Rows of the last snapshot that was written.", ifKept(func(k *snapshot.Stats, emit emit) { emit(float64(k.LastRows)) })},
	{"fsproxy_warm_saved_bytes", gauge, nil, "Its size.", ifKept(func(k *snapshot.Stats, emit emit) { emit(float64(k.LastSize)) })},

	{"fsproxy_warm_peer_outcome", gauge, []string{"outcome"}, "1 for what became of asking warm.peers for their rows: none (nobody was asked), whole, part (it took longer than warm.load_timeout, or memory is full), cut (they did not come whole, and were dropped), no (none gave any; the log says why).", ifPeers(func(p *peer.Stats, emit emit) {
		for _, outcome := range peer.Outcomes {
			emit(oneIf(p.Outcome == outcome), string(outcome))
		}
	})},
	{"fsproxy_warm_peer_rows", gauge, nil, "Rows taken over from a peer.", ifPeers(func(p *peer.Stats, emit emit) { emit(float64(p.Rows.Rows)) })},
	{"fsproxy_warm_peer_bytes", gauge, nil, "Bytes received of them.", ifPeers(func(p *peer.Stats, emit emit) { emit(float64(p.Bytes)) })},
	{"fsproxy_warm_fetched_entities_total", counter, []string{"source"}, "Entities named to be fetched at the start, or while a peer is followed: by a peer, or by a file whose rows are of no use.", ifPeers(func(p *peer.Stats, emit emit) {
		emit(float64(p.Entities), p.Source)
	})},
	{"fsproxy_warm_fetches_total", counter, []string{"result"}, "Fetches made for them: ok, error. What was in memory already is not fetched.", ifPeers(func(p *peer.Stats, emit emit) {
		emit(float64(p.Fetches-min(p.Failed, p.Fetches)), "ok")
		emit(float64(p.Failed), "error")
	})},
	{"fsproxy_warm_seconds", gauge, []string{"step"}, "How long it took, or has taken yet: load (of the file), rows (from a peer), fetch.", func(s *scrape, emit emit) {
		if s.kept != nil {
			emit(s.kept.Loaded.Took.Seconds(), "load")
		}
		if s.peers != nil {
			emit(s.peers.Rows.Took.Seconds(), "rows")
			emit(s.peers.Fetching.Round(time.Millisecond).Seconds(), "fetch")
		}
	}},
	{"fsproxy_warm_given_total", counter, []string{"result"}, "Times that a process asked for the rows held here (warm.rows): whole, part (it left, or they became wrong meanwhile), busy (another was being given them), foreign (it has another configuration), cold (nothing here proves anything yet).", ifGiven(func(g *peer.Given, emit emit) {
		for result, n := range g.Results {
			emit(float64(n), result)
		}
	})},
	{"fsproxy_warm_given_rows_total", counter, nil, "Rows given.", ifGiven(func(g *peer.Given, emit emit) { emit(float64(g.Rows)) })},
	{"fsproxy_warm_given_bytes_total", counter, nil, "Bytes sent of them.", ifGiven(func(g *peer.Given, emit emit) { emit(float64(g.Bytes)) })},
	{"fsproxy_warm_given_seconds_total", counter, nil, "How long that took.", ifGiven(func(g *peer.Given, emit emit) { emit(g.Took.Seconds()) })},
}

func ifPeers(read func(p *peer.Stats, emit emit)) func(*scrape, emit) {
	return func(s *scrape, emit emit) {
		if s.peers != nil {
			read(s.peers, emit)
		}
	}
}

func ifGiven(read func(g *peer.Given, emit emit)) func(*scrape, emit) {
	return func(s *scrape, emit emit) {
		if s.given != nil {
			read(s.given, emit)
		}
	}
}

func ifKept(read func(k *snapshot.Stats, emit emit)) func(*scrape, emit) {
	return func(s *scrape, emit emit) {
		if s.kept != nil {
			read(s.kept, emit)
		}
	}
}
