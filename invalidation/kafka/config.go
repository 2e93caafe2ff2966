package kafka

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/invalidation"
)

// Config says which topics are read, and where.
type Config struct {
	Brokers []string    // host:port of some, by which the others are found
	TLS     *tls.Config // nil: none
	SASL    SASL

	CheckInterval   time.Duration // how often positions are compared with ends
	RefreshInterval time.Duration // how often new partitions are looked for
	Topics          []TopicConfig

	Names  feature.Names // for patterns in markers; may be nil
	Encode Encoder       // of values in JSON records; nil: plain values alone
}

// SASL is how the brokers are told who is there. The zero value: not at all.
type SASL struct {
	Mechanism          string // "", "plain", "scram-sha-256", "scram-sha-512"
	Username, Password string
}

// TopicConfig says how a topic is read and what depends on it.
type TopicConfig struct {
	Guard  invalidation.GuardConfig // its Name is the topic's
	Format Format
	// Apply puts new values in place where it can, instead of evicting.
	Apply bool
	// Rewind is how far before now reading begins, by the time that records carry;
	// 0: at the end.
	Rewind time.Duration
}

func (s SASL) mechanism() (sasl.Mechanism, error) {
	var mechanism sasl.Mechanism
	var err error
	switch s.Mechanism {
	case "":
		return nil, nil
	case "plain":
		mechanism = plain.Mechanism{Username: s.Username, Password: s.Password}
	case "scram-sha-256":
		mechanism, err = scram.Mechanism(scram.SHA256, s.Username, s.Password)
	case "scram-sha-512":
		mechanism, err = scram.Mechanism(scram.SHA512, s.Username, s.Password)
	default:
		err = errors.New("it is none of plain, scram-sha-256, scram-sha-512")
	}
	if err != nil {
		return nil, fmt.Errorf("set up SASL mechanism %q: %w", s.Mechanism, err)
	}
	return mechanism, nil
}
