package kafka

import (
	"fmt"
	"io"
	"sync"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// spans remembers which versions of requests each broker takes. kafka-go asks
// too, but keeps to itself what is newer than it knows.
type spans struct {
	mu      sync.Mutex
	brokers map[int32]map[protocol.ApiKey]span
}

func newSpans() *spans { return &spans{brokers: make(map[int32]map[protocol.ApiKey]span)} }

// of asks the broker at the other end of a connection, unless it is known.
// anyBroker is asked each time: it may be another one.
func (s *spans) of(broker int32, connection io.ReadWriter) (map[protocol.ApiKey]span, error) {
	s.mu.Lock()
	known := s.brokers[broker]
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	asked, err := askSpans(connection)
	if err == nil && broker != anyBroker {
		s.mu.Lock()
		s.brokers[broker] = asked
		s.mu.Unlock()
	}
	return asked, err
}

// forget has the broker asked again: it may have been replaced by an older one.
func (s *spans) forget(broker int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.brokers, broker)
}

// askSpans uses version 0, which every broker takes.
func askSpans(connection io.ReadWriter) (map[protocol.ApiKey]span, error) {
	e := &encoder{}
	id := correlations.Add(1)
	header(e, protocol.ApiVersions, 0, id)
	d, err := roundTrip(connection, e, id, nil)
	if err != nil {
		return nil, err
	}
	if code := d.int16(); code != 0 {
		return nil, fmt.Errorf("the broker says: %w", kafkago.Error(code))
	}
	taken := make(map[protocol.ApiKey]span)
	for n := d.array(); n > 0 && !d.failed; n-- {
		key := protocol.ApiKey(d.int16())
		taken[key] = span{low: d.int16(), high: d.int16()}
	}
	return taken, d.err()
}
