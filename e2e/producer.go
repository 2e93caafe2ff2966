//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
)

const (
	// updateTopic is the topic of updates, where there is one.
	updateTopic = "feature-updates"
	// producedTogether bounds the records of one request.
	producedTogether = 100
	// updatesQueued bounds the updates that wait for Kafka to be back; then their
	// writers wait.
	updatesQueued = 10_000
)

// queued is a record to be produced, and the versions that it tells of.
type queued struct {
	topic string
	kafkaRecord
	told map[cell]int
}

// produceAll sends updates in their order, until ctx ends. While Kafka is down they
// wait: what they tell of counts as told once Kafka has them.
func (b *broker) produceAll(ctx context.Context, updates <-chan queued, told func(map[cell]int)) {
	for {
		var batch []queued
		select {
		case u := <-updates:
			batch = append(batch, u)
		case <-ctx.Done():
			return
		}
		for len(batch) < producedTogether && len(updates) > 0 {
			batch = append(batch, <-updates)
		}
		byTopic := map[string][]kafkaRecord{}
		for _, u := range batch {
			byTopic[u.topic] = append(byTopic[u.topic], u.kafkaRecord)
		}
		for topic, records := range byTopic {
			for b.tryProduce(ctx, topic, records...) != nil {
				if ctx.Err() != nil {
					return
				}
			}
		}
		for _, u := range batch {
			told(u.told)
		}
	}
}

// jsonRecord is the value of a record of the format json.
func jsonRecord(entity string, values hash, version int64) string {
	features := map[string]any{}
	for f, value := range values {
		features[f] = value
		if value == "" {
			features[f] = nil
		}
	}
	text, err := json.Marshal(map[string]any{"entity": entity, "features": features, "version": version})
	if err != nil {
		panic(err) // text, numbers and nil can always be written
	}
	return string(text)
}

// respRecord is the value of a record of the format resp, which has a command
// for values and one for the lack of them.
func respRecord(entity string, values hash, absent bool) string {
	command := []string{"HSET", entity}
	if absent {
		command[0] = "HDEL"
	}
	for f, value := range values {
		command = append(command, f)
		if !absent {
			command = append(command, value)
		}
	}
	return string(appendCommand(nil, command...))
}
