package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
)

const (
	// maxWatchers bounds how many streams of events are open at a time: each
	// costs a goroutine and a status a second.
	maxWatchers = 32
	// writeTimeout ends a stream whose reader does not read.
	writeTimeout = 10 * time.Second
)

// watchers counts the open streams.
type watchers struct{ open atomic.Int64 }

// streamEvents writes server-sent events until the caller leaves or the process
// stops: "history" once, then a "sample" and a "status" a second, and the tables
// that are short ("topology", "sources") when they changed.
func (s *Server) streamEvents(w http.ResponseWriter, c *call) error {
	defer s.watchers.open.Add(-1)
	if s.watchers.open.Add(1) > maxWatchers {
		return refuse(http.StatusServiceUnavailable, "%d streams of events are open already, which is the most", maxWatchers)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	stream := &eventStream{w: w, control: http.NewResponseController(w), sent: map[string]string{}}
	past := s.history.all()
	stream.send("access", s.accessOf(c.who))
	stream.send("history", past)
	id := uint64(0)
	if n := len(past.Samples); n > 0 {
		id = past.Samples[n-1].ID
	}
	for stream.err == nil {
		stream.send("status", s.status())
		stream.sendChanged("topology", s.topology())
		stream.sendChanged("sources", s.sources.statuses())
		stream.sendChanged("changes", s.changes.list())
		stream.flush()
		samples, newer := s.history.since(id)
		if len(samples) == 0 {
			select {
			case <-c.Context().Done():
				return nil
			case <-s.stopping:
				return nil
			case <-newer:
			}
			samples, _ = s.history.since(id)
		}
		for _, sample := range samples {
			stream.send("sample", sample)
			id = sample.ID
		}
	}
	return nil
}

// eventStream writes events until one cannot be written.
type eventStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	sent    map[string]string // the last data of each event that sendChanged sent
	err     error
}

func (s *eventStream) send(name string, data any) {
	text, err := json.Marshal(data)
	if err == nil {
		s.write(name, string(text))
	}
}

// sendChanged is send, if the data is other than the last time.
func (s *eventStream) sendChanged(name string, data any) {
	text, err := json.Marshal(data)
	if err != nil || s.sent[name] == string(text) {
		return
	}
	s.sent[name] = string(text)
	s.write(name, string(text))
}

// write writes an event. JSON has no line break outside of strings, and none
// that is not escaped within.
func (s *eventStream) write(name, data string) {
	if s.err == nil {
		_ = s.control.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, s.err = fmt.Fprintf(s.w, "event: %s\ndata: %s\n\n", name, data)
	}
}

func (s *eventStream) flush() {
	if s.err == nil {
		s.err = s.control.Flush()
	}
}

func (s *Server) getHistory(*call) (any, error) { return s.history.all(), nil }

func (s *Server) getAccess(c *call) (any, error) { return s.accessOf(c.who), nil }

// accessOf is what a caller may do.
func (s *Server) accessOf(who caller) api.Access {
	_, configured := s.sources.Config().Admin.Token()
	switch {
	case who.token:
		return api.Access{Change: true, Token: true}
	case configured:
		return api.Access{Token: true, Reason: "changes need the token that admin.token_file holds"}
	case !who.local:
		return api.Access{Reason: "changes are for this machine alone, as no token is configured"}
	}
	return api.Access{Change: true}
}
