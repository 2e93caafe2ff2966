package proxy

import (
	"strconv"

	"github.com/fsproxy/fsproxy/proxy/session"
)

// info adds fsproxy's own lines to INFO.
func (s *Server) info(section string) []session.Field {
	if section != "fsproxy" {
		return nil
	}
	stats, held := s.Stats(), s.cache.Stats()
	number := func(name string, n uint64) session.Field {
		return session.Field{Name: name, Value: strconv.FormatUint(n, 10)}
	}
	fields := []session.Field{
		number("cache_bytes", uint64(held.Bytes)),
		number("cache_max_bytes", uint64(held.MaxBytes)),
		number("cache_rows", uint64(held.Rows)),
		number("cache_fields", uint64(held.Fields)),
	}
	for i, name := range outcomeNames {
		fields = append(fields, number("reads_"+name, stats.HMGET[i]+stats.HGET[i]))
	}
	stats.FieldResults(func(result string, n uint64) {
		fields = append(fields, number("fields_"+result, n))
	})
	return append(fields, number("read_errors", stats.FetchErrors))
}
