package main

import (
	"fmt"
	"log/slog"

	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/invalidation"
	"github.com/fsproxy/fsproxy/invalidation/kafka"
)

// newSources assembles all that tells of changes in the store. What they cover
// is fetched each time until they run and have found where they begin. Names may
// be nil.
func newSources(cfg config.Invalidation, memory invalidation.Memory, upstream invalidation.Upstream, names feature.Names, log *slog.Logger) (*invalidation.Set, error) {
	set, err := invalidation.New(cfg, memory, upstream, names, log)
	if err != nil {
		return nil, err
	}
	if len(cfg.Kafka.Brokers) == 0 {
		return set, nil
	}
	kafkaConfig, err := newKafkaConfig(cfg.Kafka, names)
	if err != nil {
		return nil, fmt.Errorf("invalidation.kafka: %w", err)
	}
	source, err := kafka.New(kafkaConfig, memory, log)
	if err != nil {
		return nil, fmt.Errorf("invalidation.kafka: %w", err)
	}
	set.Add(source)
	return set, nil
}

func newKafkaConfig(cfg config.Kafka, names feature.Names) (kafka.Config, error) {
	tlsConfig, err := cfg.TLS.Client()
	if err != nil {
		return kafka.Config{}, err
	}
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
