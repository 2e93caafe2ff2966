package admin

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/cache"
)

const (
	// mostWarm is how many entities a process that starts may ask for.
	mostWarm = 1 << 20
	// mostFollow is how long it may be told what clients ask for.
	mostFollow = 24 * time.Hour
	// followRoom is how many reads may wait for a follower; what comes when they
	// do is left out.
	followRoom = 4096
	// followPause is how often what was asked for is sent on.
	followPause = 50 * time.Millisecond
)

// streamWarm writes what is hot here, a line of JSON each (api.WarmLine), for a
// process that starts; with follow, for that long, what clients ask for from then
// on too.
func (s *Server) streamWarm(w http.ResponseWriter, c *call) error {
	limit, err := c.limit(mostWarm, mostWarm)
	if err != nil {
		return err
	}
	follow := time.Duration(0)
	if text := c.URL.Query().Get("follow"); text != "" {
		if follow, err = time.ParseDuration(text); err != nil || follow < 0 || follow > mostFollow {
			return refuse(http.StatusBadRequest, "follow %q: give a duration from 0s to %s", text, mostFollow)
		}
	}
	defer s.watchers.open.Add(-1)
	if s.watchers.open.Add(1) > maxWatchers {
		return refuse(http.StatusServiceUnavailable, "%d streams are open already, which is the most", maxWatchers)
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := &warmStream{lines: json.NewEncoder(w), control: http.NewResponseController(w), numbers: make(map[*cache.Projection]int)}
	asked, stop := s.sources.Proxy.Follow(followRoom)
	defer stop()
	s.sources.Cache.Hot(limit, func(entity []byte, projections []*cache.Projection) bool {
		out.entity(entity, projections...)
		return out.err == nil && c.Context().Err() == nil
	})
	out.write(api.WarmLine{Told: true})
	out.flush()
	over := time.NewTimer(follow)
	defer over.Stop()
	for out.err == nil && follow > 0 {
		select {
		case <-c.Context().Done():
			return nil
		case <-s.stopping:
			return nil
		case <-over.C:
			return nil
		case <-time.After(followPause):
		}
		for len(asked) > 0 {
			a := <-asked
			out.entity(a.Entity, a.Projection)
		}
		out.flush()
	}
	return nil
}

// warmStream writes lines. An error is the connection's, and nobody is left to be
// told.
type warmStream struct {
	lines   *json.Encoder
	control *http.ResponseController
	numbers map[*cache.Projection]int
	err     error
}

func (s *warmStream) entity(entity []byte, projections ...*cache.Projection) {
	line := api.WarmLine{Entity: entity}
	for _, p := range projections {
		n, known := s.numbers[p]
		if !known {
			n = len(s.numbers)
			s.numbers[p] = n
			fields := make([][]byte, len(p.Fields))
			for i, f := range p.Fields {
				fields[i] = []byte(f.Name)
			}
			s.write(api.WarmLine{Fields: fields, View: p.View.Bits()})
		}
		line.Projections = append(line.Projections, n)
	}
	s.write(line)
}

func (s *warmStream) write(line api.WarmLine) {
	if s.err == nil {
		_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout))
		s.err = s.lines.Encode(line)
	}
}

func (s *warmStream) flush() {
	if s.err == nil {
		s.err = s.control.Flush()
	}
}
