package admin

import (
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/config"
)

func (s *Server) getStatus(*call) (any, error) { return s.status(), nil }

// status puts together what a person asks first.
func (s *Server) status() api.Status {
	now, held := gauges{s.sources}.read(), s.sources.Cache.Stats()
	counts := s.sources.Proxy.Stats()
	limit := config.MemoryLimit()
	status := api.Status{
		Mode: string(s.sources.Mode()), Ready: s.ready.Load(), Build: s.build, Host: s.host,
		Started: s.started, UptimeSeconds: time.Since(s.started).Seconds(),
		Store: s.store(),
		Totals: api.Totals{
			Reads: now.reads, Fields: now.fields, ReadErrors: now.errors,
			HitRate:      ratio(now.fieldsFromMemory(), now.fieldsAsked()),
			ReadsAvoided: now.reads["hit"], FieldsAvoided: now.fieldsFromMemory(),
			Fetches: now.fetches, CPUSeconds: now.cpu.Seconds(),
			BytesIn: counts.BytesIn, BytesOut: counts.BytesOut, Evictions: held.Evictions,
		},
		Now: s.history.recent(),
		Memory: api.Memory{
			Cache: held.Bytes, CacheMax: held.MaxBytes, Rows: held.Rows, Values: held.Fields,
			Resident: now.resident, Limit: int64(limit.Bytes), LimitFrom: limit.Source,
		},
		Connections: api.Connections{Open: counts.Connections, Accepted: counts.Accepted, Refused: counts.Refused},
		Reload:      s.sources.LastReload(),
		Comparison:  s.sources.comparison(),
	}
	status.Rules, status.RulesVersion, status.SetByHand = s.sources.byHand()
	status.Shadow = s.sources.shadow()
	status.Health, status.Problems = s.judge(&status)
	return status
}

func (s *Server) store() api.Store {
	t, age := s.sources.Upstream.Topology()
	if t == nil {
		return api.Store{}
	}
	return api.Store{Kind: t.Kind.String(), Version: t.Version, Fetchers: len(t.Nodes()), AgeSeconds: age.Seconds()}
}
