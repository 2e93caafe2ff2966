package admin

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
)

// keptChanges is how many changes are remembered: what one rollout takes.
const keptChanges = 50

// changes are what was done through the API lately.
type changes struct {
	mu   sync.Mutex
	kept []api.Change // newest first; protected by mu
}

func (c *changes) list() []api.Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]api.Change{}, c.kept...)
}

// changed remembers and logs what a caller did.
func (s *Server) changed(who caller, what string) {
	s.log.Info("changed through the admin API", "what", what, "from", who.from, "by", who.by())
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	s.changes.kept = slices.Insert(s.changes.kept, 0, api.Change{Time: time.Now(), What: what, From: who.from, By: who.by()})
	s.changes.kept = s.changes.kept[:min(len(s.changes.kept), keptChanges)]
}

func (s *Server) postMode(c *call) (any, error) {
	var wanted api.Mode
	if err := c.read(&wanted); err != nil {
		return nil, err
	}
	if s.sources.SetMode == nil {
		return nil, notThere("the mode of this process is fixed")
	}
	before := s.sources.Mode()
	if err := s.sources.SetMode(config.Mode(wanted.Mode)); err != nil {
		return nil, refuse(http.StatusBadRequest, "%v", err)
	}
	s.changed(c.who, fmt.Sprintf("mode from %s to %s", before, s.sources.Mode()))
	return api.Mode{Mode: string(s.sources.Mode())}, nil
}

func (s *Server) postInvalidate(c *call) (any, error) {
	var wanted api.Invalidate
	if err := c.read(&wanted); err != nil {
		return nil, err
	}
	entity, given, err := entityOf(wanted.Entity, wanted.EntityBase64)
	if err != nil {
		return nil, err
	}
	targets := 0
	for _, is := range []bool{given, wanted.Feature != "", wanted.All} {
		if is {
			targets++
		}
	}
	if targets != 1 {
		return nil, refuse(http.StatusBadRequest, `say what to invalidate: one of {"feature": "name, field or pattern"}, {"entity": "key"} and {"all": true}`)
	}
	settle := s.settle()
	var done api.Invalidated
	switch {
	case given:
		s.sources.Cache.Invalidate(entity, settle)
		done.What = fmt.Sprintf("entity %q", entity)
	default:
		pattern := wanted.Feature
		if wanted.All {
			pattern = "*"
		}
		cover, err := feature.NewCover([]string{pattern}, s.sources.Names)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "feature: %v", err)
		}
		done.Features = s.sources.Cache.Forget(cover, settle)
		done.What = fmt.Sprintf("feature %q", pattern)
		if wanted.All {
			done.What = "everything"
		}
	}
	s.invalidated()
	s.changed(c.who, "invalidated "+done.What)
	return done, nil
}

// invalidated tells whoever keeps copies of what was in memory.
func (s *Server) invalidated() {
	if s.sources.Invalidated != nil {
		s.sources.Invalidated()
	}
}

// settle is how long a fetcher may answer with what somebody wants gone: as
// long as after a write through the proxy, or what the slowest source says.
func (s *Server) settle() time.Duration {
	settle := s.sources.Config().Cache.WriteSettle
	if s.sources.Invalidation != nil {
		for _, source := range s.sources.Invalidation() {
			settle = max(settle, source.Settle)
		}
	}
	return settle
}

func (s *Server) postFlush(c *call) (any, error) {
	if err := c.read(&struct{}{}); err != nil {
		return nil, err
	}
	held := s.sources.Cache.Stats()
	s.sources.Cache.InvalidateAll(s.settle())
	s.invalidated()
	s.changed(c.who, fmt.Sprintf("flushed %d rows", held.Rows))
	return api.Flushed{Rows: held.Rows, Bytes: held.Bytes}, nil
}

func (s *Server) postReload(c *call) (any, error) {
	if err := c.read(&struct{}{}); err != nil {
		return nil, err
	}
	if s.sources.Reload == nil || !s.sources.LastReload().Supported {
		return nil, notThere("there is no configuration file to read again: give one with --config")
	}
	result := s.sources.Reload()
	s.changed(c.who, "read the configuration again")
	return result, nil
}
