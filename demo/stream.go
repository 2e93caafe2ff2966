package demo

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// Topic is where the stream's records are.
	Topic = "feature-updates"
	// topicPartitions is the smallest number in which it shows that all are read.
	topicPartitions = 4
)

// Stream is a Kafka broker in this process, with the topic of updates.
type Stream struct {
	broker   *kfake.Cluster
	producer *kgo.Client
	failed   atomic.Pointer[error] // the first that a record met
}

// NewStream starts a broker with an empty topic. Close must be called.
func NewStream() (*Stream, error) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(topicPartitions, Topic))
	if err != nil {
		return nil, fmt.Errorf("starting a Kafka broker on a free port of 127.0.0.1: %w", err)
	}
	// A record's partition follows from its key, the entity, which keeps the
	// order of the entity's updates.
	producer, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...), kgo.DefaultProduceTopic(Topic))
	if err != nil {
		broker.Close()
		return nil, fmt.Errorf("making a producer of %s: %w", Topic, err)
	}
	return &Stream{broker: broker, producer: producer}, nil
}

// Brokers are the addresses that a client begins with.
func (s *Stream) Brokers() []string { return s.broker.ListenAddrs() }

// Publish tells of one feature's new value. It does not wait for the broker, and
// returns an error that an earlier record met.
func (s *Stream) Publish(ctx context.Context, entity, field, value string, version int64) error {
	record := fmt.Appendf(nil, `{"entity":%s,"features":{%s:%s},"version":%d}`,
		strconv.Quote(entity), strconv.Quote(field), strconv.Quote(value), version)
	s.producer.Produce(ctx, &kgo.Record{Key: []byte(entity), Value: record}, func(_ *kgo.Record, err error) {
		if err != nil && ctx.Err() == nil {
			s.failed.CompareAndSwap(nil, &err)
		}
	})
	if err := s.failed.Load(); err != nil {
		return fmt.Errorf("publishing an update on %s: %w", Topic, *err)
	}
	return nil
}

// Close ends the broker.
func (s *Stream) Close() {
	s.producer.Close()
	s.broker.Close()
}
