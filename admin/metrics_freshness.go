package admin

// freshnessMetrics tell what was kept from being served, and what was served
// although it was stale.
var freshnessMetrics = []metric{
	{"fsproxy_oldest_served_seconds", gauge, nil, "Age of the oldest value served from memory within the last minute, or since the last reading if that is longer ago: since its fetch began.", func(s *scrape, emit emit) { emit(s.oldest.Seconds()) }},
	{"fsproxy_stale_served_total", counter, []string{"reason"}, "Values served although they were stale: revalidate (within invalidation.stale_while_revalidate of a marker), error (within upstream.stale_if_error, as their fetch failed).", func(s *scrape, emit emit) {
		s.proxy.StaleServed(func(reason string, n uint64) { emit(float64(n), reason) })
	}},
	{"fsproxy_cache_held_down_fields_total", counter, nil, "Fetched values not kept: an update of the feature was too near.", plain(func(s *scrape) uint64 { return s.cache.HeldDownFields })},
	{"fsproxy_cache_stale_bytes", gauge, nil, "Bytes of values held that are not fresh, as of the last pass through all rows.", plain(func(s *scrape) int64 { return s.cache.StaleBytes })},
	{"fsproxy_cache_reclaimed_total", counter, nil, "Rows dropped because nothing in them could be served any more.", plain(func(s *scrape) uint64 { return s.cache.Reclaimed })},
}
