//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// What the tests with Kafka rest on: the broker keeps what it was sent over a
// stop and a kill, and forgets it with the topic.
func TestBrokerKeepsItsRecordsOverRestartsAndLosesThemWithTheTopic(t *testing.T) {
	b := startKafka(t)
	const topic = "updates"
	b.createTopic(t, topic, 1)
	b.produce(t, topic, kafkaRecord{"a", "1"}, kafkaRecord{"b", "2"})
	wantRecords(t, b, topic, 0, "a=1", "b=2")

	b.stop()
	b.start(t)
	b.produce(t, topic, kafkaRecord{"a", "3"})
	wantRecords(t, b, topic, 0, "a=1", "b=2", "a=3")

	b.kill()
	b.start(t)
	b.produce(t, topic, kafkaRecord{"a", "4"})
	wantRecords(t, b, topic, 0, "a=1", "b=2", "a=3", "a=4")

	b.deleteTopic(t, topic)
	b.createTopic(t, topic, 1)
	b.produce(t, topic, kafkaRecord{"c", "5"})
	wantRecords(t, b, topic, 0, "c=5")

	b.deleteRecords(t, topic, 0)
	b.produce(t, topic, kafkaRecord{"c", "6"})
	wantRecords(t, b, topic, 0, "c=6")

	b.growTopic(t, topic, 2)
	spread := make([]kafkaRecord, 16)
	for i := range spread {
		spread[i] = kafkaRecord{fmt.Sprint("entity_", i), "7"}
	}
	b.produce(t, topic, spread...)
	if kept := len(b.records(t, topic, 0)) + len(b.records(t, topic, 1)); kept != 1+len(spread) {
		t.Errorf("both partitions hold %d records, want %d", kept, 1+len(spread))
	}
	if len(b.records(t, topic, 1)) == 0 {
		t.Error("the new partition got nothing of 16 entities")
	}
}

func wantRecords(t *testing.T, b *broker, topic string, partition int, want ...string) {
	t.Helper()
	if got := b.records(t, topic, partition); !slices.Equal(got, want) {
		t.Fatalf("%s/%d holds %v, want %v", topic, partition, got, want)
	}
}

// records reads all that a partition holds as key=value, with the client
// library that fsproxy uses.
func (b *broker) records(t *testing.T, topic string, partition int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := kafka.DialLeader(ctx, "tcp", b.addr, topic, partition)
	if err != nil {
		t.Fatalf("dialling the leader of %s/%d: %v", topic, partition, err)
	}
	defer conn.Close()
	first, end, err := conn.ReadOffsets()
	if err != nil {
		t.Fatalf("asking for the offsets of %s/%d: %v", topic, partition, err)
	}
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{b.addr}, Topic: topic, Partition: partition, MaxWait: 100 * time.Millisecond,
	})
	defer reader.Close()
	if err := reader.SetOffset(first); err != nil {
		t.Fatalf("positioning at %d of %s/%d: %v", first, topic, partition, err)
	}
	var all []string
	for range end - first {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			t.Fatalf("reading %s/%d after %v: %v", topic, partition, all, err)
		}
		all = append(all, string(m.Key)+"="+string(m.Value))
	}
	return all
}
