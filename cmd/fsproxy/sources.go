package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"

	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/invalidation"
	"github.com/fsproxy/fsproxy/invalidation/kafka"
)

// newSources assembles all that tells of changes in the store. What they cover
// is fetched each time until they run and have found where they begin. Names may
// be nil. The source of Kafka is one of the set, if there is one; tlsConfig is its.
func newSources(cfg config.Invalidation, tlsConfig *tls.Config, memory invalidation.Memory, upstream invalidation.Upstream, names feature.Names, log *slog.Logger) (*invalidation.Set, *kafka.Source, error) {
	set, err := invalidation.New(cfg, memory, upstream, names, log)
	if err != nil {
		return nil, nil, err
	}
	if len(cfg.Kafka.Brokers) == 0 {
		return set, nil, nil
	}
	kafkaConfig, err := newKafkaConfig(cfg.Kafka, tlsConfig, names)
	if err != nil {
		return nil, nil, fmt.Errorf("invalidation.kafka: %w", err)
	}
	source, err := kafka.New(kafkaConfig, memory, log)
	if err != nil {
		return nil, nil, fmt.Errorf("invalidation.kafka: %w", err)
	}
	set.Add(source)
	return set, source, nil
}

func newKafkaConfig(cfg config.Kafka, tlsConfig *tls.Config, names feature.Names) (kafka.Config, error) {
	password, _ := cfg.SASL.Password()
	k := kafka.Config{
		Brokers: cfg.Brokers, TLS: tlsConfig,
		SASL:          kafka.SASL{Mechanism: string(cfg.SASL.Mechanism), Username: cfg.SASL.Username, Password: password},
		CheckInterval: cfg.CheckInterval, RefreshInterval: cfg.RefreshInterval, Names: names, Encode: encoder(names),
	}
	for i, t := range cfg.Topics {
		cover, err := feature.NewCover(t.Covers, names)
		if err != nil {
			return kafka.Config{}, fmt.Errorf("topics[%d].covers: %w", i, err)
		}
		k.Topics = append(k.Topics, kafka.TopicConfig{
			Guard: invalidation.GuardConfig{
				Name: t.Name, Kind: invalidation.KindKafka, Cover: cover, Settle: cfg.Settle,
				MaxLag: t.MaxLag, OnLoss: invalidation.OnLoss(t.OnLoss), ServeFor: t.ServeFor,
			},
			Format: kafka.Format(t.Format), Apply: t.Apply == config.ApplyUpdate, Rewind: t.Rewind,
		})
	}
	return k, nil
}
