package admin

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/config"
)

// textOf is a key as text, and in base64 where it is none.
func textOf(key []byte) (text, encoded string) {
	if utf8.Valid(key) {
		return string(key), ""
	}
	return strings.ToValidUTF8(string(key), "\uFFFD"), base64.StdEncoding.EncodeToString(key)
}

// entityOf is the entity that a request names, as text or in base64.
func entityOf(text, encoded string) (entity []byte, given bool, err error) {
	if encoded == "" {
		return []byte(text), text != "", nil
	}
	if text != "" {
		return nil, false, refuse(http.StatusBadRequest, "name the entity as text or in base64, not both")
	}
	entity, err = base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, false, refuse(http.StatusBadRequest, "the entity is not base64: %v", err)
	}
	return entity, true, nil
}

func (s *Server) getEntity(c *call) (any, error) {
	query := c.URL.Query()
	entity, given, err := entityOf(query.Get("key"), query.Get("key_base64"))
	if err != nil {
		return nil, err
	}
	if !given {
		return nil, refuse(http.StatusBadRequest, "name the entity: ?key=TEXT, or ?key_base64= for one that is no text")
	}
	answer := api.Entity{Slot: int(cluster.Slot(entity)), Shard: -1, Nodes: []string{}, Values: []api.Value{}}
	answer.Entity, answer.EntityBase64 = textOf(entity)
	if t, _ := s.sources.Upstream.Topology(); t != nil {
		if shard, ok := t.ShardOf(cluster.Slot(entity)); ok {
			answer.Shard, answer.Nodes = shard, append(answer.Nodes, t.Shards[shard].Nodes...)
		}
	}
	view, held := s.sources.Cache.Look(entity, s.sources.Clock.Now())
	answer.Held, answer.Bytes, answer.Updated, answer.FilledFrom = held, view.Bytes, view.Updated, view.From
	for _, value := range view.Values {
		shown := api.Value{
			Field: fieldText(value.Feature), Name: s.nameOf(value.Feature), Form: value.Form, Bytes: value.Bytes, Missing: value.Negative,
			AgeSeconds: round(value.Age.Seconds()),
		}
		shown.Served, shown.Why = s.verdict(entity, value.Feature, value.State)
		answer.Values = append(answer.Values, shown)
	}
	return answer, nil
}

// verdict tells whether a value in that state would be answered from memory, and
// why. A read of other features beside it may be under a more careful rule.
func (s *Server) verdict(entity []byte, field string, state cache.ValueState) (served bool, why string) {
	rule, mode := s.sources.Rollout.Decides(entity, field)
	switch {
	case mode == config.ModeLive:
	case rule == config.RuleDefault:
		return false, "mode is " + string(mode)
	default:
		return false, fmt.Sprintf("rule %s: mode is %s", rule, mode)
	}
	return state == cache.Fresh, string(state)
}

// mostHot is more than a person reads.
const mostHot = 1000

func (s *Server) getHottest(c *call) (any, error) {
	limit, err := c.limit(20, mostHot)
	if err != nil {
		return nil, err
	}
	answer, now := []api.Hot{}, s.sources.Clock.Now()
	for _, entity := range s.sources.Cache.Hottest(limit) {
		view, held := s.sources.Cache.Look(entity, now)
		if !held {
			continue // evicted meanwhile
		}
		hot := api.Hot{Bytes: view.Bytes, Values: len(view.Values)}
		hot.Entity, hot.EntityBase64 = textOf(entity)
		answer = append(answer, hot)
	}
	return answer, nil
}
