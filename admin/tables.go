package admin

import (
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/config"
)

func (s *Server) getConfig(*call) (any, error) {
	cfg := s.sources.Config()
	now := *cfg
	now.Mode, now.Rollout.Rules = s.sources.inForce()
	now.Rollout.Shadow.Percent = s.sources.shadowPercent()
	answer := api.Config{Options: []api.Option{}, YAML: string(config.Effective(&now))}
	given, waiting := cfg.InForce(), s.sources.LastReload().Restart
	for i, o := range now.InForce() {
		origin := o.Origin.String()
		if o.Value != given[i].Value {
			origin = theAPI
		}
		answer.Options = append(answer.Options, api.Option{
			Key: o.Option.Key, Value: o.Value, Default: o.Option.Default, Origin: origin,
			Reloadable: o.Option.Reloadable, Waiting: slices.ContainsFunc(waiting, within(o.Option.Key)), Meaning: o.Option.Meaning,
		})
	}
	return answer, nil
}

// within tells whether an option's name is that of option or of a part of it, as
// "listeners[0].address" is of "listeners".
func within(option string) func(string) bool {
	return func(name string) bool {
		rest, is := strings.CutPrefix(name, option)
		return is && (rest == "" || rest[0] == '[')
	}
}

func (s *Server) getTopology(*call) (any, error) { return s.topology(), nil }

func (s *Server) topology() api.Topology {
	up := s.sources.Upstream
	answer := api.Topology{
		Slots: cluster.Slots, Refreshes: up.Refreshes.Load(), Failures: up.RefreshErrors.Load(),
		Shards: []api.Shard{}, Fetchers: []api.Fetcher{},
	}
	shardsOf := map[string][]int{}
	if t, age := up.Topology(); t != nil {
		answer.Kind, answer.Version, answer.AgeSeconds, answer.Covered = t.Kind.String(), t.Version, round(age.Seconds()), t.Covered()
		for i, ranges := range t.Ranges() {
			shard := api.Shard{Slots: []string{}, Nodes: t.Shards[i].Nodes}
			for _, r := range ranges {
				shard.Slots = append(shard.Slots, r.String())
			}
			for _, node := range shard.Nodes {
				shardsOf[node] = append(shardsOf[node], i)
			}
			answer.Shards = append(answer.Shards, shard)
		}
	}
	up.FetcherStatuses(func(status cluster.FetcherStatus) {
		answer.Fetchers = append(answer.Fetchers, fetcherOf(status, shardsOf[status.Addr]))
	})
	slices.SortFunc(answer.Fetchers, func(a, b api.Fetcher) int { return strings.Compare(a.Address, b.Address) })
	return answer
}

func fetcherOf(from cluster.FetcherStatus, shards []int) api.Fetcher {
	stats := from.Stats
	fetcher := api.Fetcher{
		Address: from.Addr, Zone: from.Zone, Shards: append([]int{}, shards...), State: string(from.State), Why: from.Why,
		UntilSeconds: round(from.Until.Seconds()), Outstanding: from.Outstanding,
		Fetches: stats.Fetches.Load(), Answered: stats.Answered.Load(), Errors: stats.Errors.Load(),
		Timeouts: stats.Timeouts.Load(), Ejections: stats.Ejections.Load(),
	}
	if from.Latency > 0 {
		latency := round(from.Latency.Seconds())
		fetcher.LatencySeconds = &latency
	}
	return fetcher
}

func (s *Server) getSources(*call) (any, error) { return s.sources.statuses(), nil }

// statuses are those of the sources of new values.
func (s *Sources) statuses() []api.Source {
	all := []api.Source{}
	if s.Invalidation == nil {
		return all
	}
	for _, from := range s.Invalidation() {
		source := api.Source{
			Name: from.Name, Kind: from.Kind, State: string(from.State), SinceSeconds: sinceSeconds(from.Since),
			Suspended: from.Suspended, Position: from.Position, LagSeconds: round(from.Lag.Seconds()), LagRecords: from.LagRecords,
			MaxLagSeconds: from.MaxLag.Seconds(), SettleSeconds: from.Settle.Seconds(),
			Gaps: from.Gaps, OnLoss: string(from.OnLoss), Covers: append([]string{}, from.Covers...), Error: from.Error,
			Invalidations: map[string]uint64{},
		}
		for what, n := range from.Counts {
			source.Invalidations[string(what)] = n
		}
		if !from.LastHeard.IsZero() {
			ago := sinceSeconds(from.LastHeard)
			source.LastHeardSeconds = &ago
		}
		all = append(all, source)
	}
	return all
}

// sinceSeconds is how long ago t was, in seconds, to a tenth.
func sinceSeconds(t time.Time) float64 { return math.Round(10*time.Since(t).Seconds()) / 10 }

// mostDifferences is more than a person reads, and bounds an answer.
const mostDifferences = 1000

func (s *Server) getDifferences(c *call) (any, error) {
	limit, err := c.limit(100, mostDifferences)
	if err != nil {
		return nil, err
	}
	return s.sources.Rollout.Differences(limit), nil
}

func (s *Server) getChanges(*call) (any, error) { return s.changes.list(), nil }

// notThere is the answer to what this process was built or configured without.
func notThere(what string) error { return refuse(http.StatusNotImplemented, "%s", what) }
