package admin

import "github.com/fsproxy/fsproxy/warm/snapshot"

// warmMetrics are of the rows that outlive the process; absent where none do.
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
}

func ifKept(read func(k *snapshot.Stats, emit emit)) func(*scrape, emit) {
	return func(s *scrape, emit emit) {
		if s.kept != nil {
			read(s.kept, emit)
		}
	}
}
