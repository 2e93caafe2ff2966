//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/invalidation"
	updates "github.com/fsproxy/fsproxy/invalidation/kafka"
)

// notes is a memory that notes which entities had features evicted.
type notes struct {
	mu      sync.Mutex
	evicted []string
}

func (n *notes) Update(entity []byte, _ [][]byte, _ time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.evicted = append(n.evicted, string(entity))
}

func (n *notes) has(entity string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.evicted, entity)
}

func (*notes) Apply([]byte, []invalidation.Value, int64, time.Duration, time.Duration) int { return 0 }
func (*notes) Invalidate([]byte, time.Duration)                                            {}
func (*notes) InvalidateAll(time.Duration)                                                 {}
func (*notes) Mark(*feature.Cover) int                                                     { return 0 }

func (*notes) Forget(*feature.Cover, time.Duration) int { return 0 }

func (n *notes) Suspend(*feature.Cover) invalidation.Suspension { return n }
func (*notes) Resume(time.Duration)                             {}
func (*notes) Lift(time.Duration)                               {}

// The source of updates against a real broker, through all that happens to one.
func TestUpdatesAreReadThroughAllThatHappensToABroker(t *testing.T) {
	b := startKafka(t)
	const topic = "updates"
	b.createTopic(t, topic, 1)
	b.produce(t, topic, update("before the start"))

	cover, err := feature.NewCover([]string{"*"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	memory := &notes{}
	source, err := updates.New(updates.Config{
		Brokers: []string{b.addr}, CheckInterval: 100 * time.Millisecond, RefreshInterval: 500 * time.Millisecond,
		Topics: []updates.TopicConfig{{
			Guard:  invalidation.GuardConfig{Name: topic, Cover: cover, MaxLag: 30 * time.Second, OnLoss: invalidation.Bypass},
			Format: updates.FormatJSON,
		}},
	}, memory, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); source.Run(ctx) }()
	defer func() { cancel(); <-done }()
	status := func() invalidation.Status { return source.Statuses()[0] }
	trusted := func(gaps uint64) {
		t.Helper()
		now := time.Now()
		eventually(t, fmt.Sprintf("trust in the topic, with %d gaps", gaps), func() error {
			if s := status(); s.State != invalidation.StateTrusted || s.Gaps < gaps || s.LagRecords != 0 || s.Error != "" || !s.LastHeard.After(now) {
				return fmt.Errorf("%+v", s)
			}
			return nil
		})
	}
	evicts := func(entity string) {
		t.Helper()
		b.produce(t, topic, update(entity))
		evicted(t, memory, entity)
	}

	trusted(0)
	evicts("after the start")
	if memory.has("before the start") {
		t.Error("it did not begin at the end")
	}

	b.stop()
	eventually(t, "notice of the stop", func() error {
		if status().Error == "" {
			return fmt.Errorf("%+v", status())
		}
		return nil
	})
	b.start(t)
	evicts("after a stop")
	b.kill()
	b.start(t)
	evicts("after a kill")
	trusted(0)

	// It hangs, and says nothing while its connections stay open.
	heard := status().LastHeard
	b.signal(t, syscall.SIGSTOP)
	eventually(t, "notice of the silence", func() error {
		if s := status(); s.Error == "" || s.LastHeard.Sub(heard) > 5*time.Second {
			return fmt.Errorf("%+v", s)
		}
		return nil
	})
	b.signal(t, syscall.SIGCONT)
	evicts("after it hung")
	trusted(0)

	b.growTopic(t, topic, 3)
	for i := range 16 {
		b.produce(t, topic, update(fmt.Sprint("spread ", i)))
	}
	for i := range 16 {
		evicted(t, memory, fmt.Sprint("spread ", i))
	}
	for _, codec := range []kgo.CompressionCodec{kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()} {
		compressed(t, b, topic, codec, memory)
	}
	inTransactions(t, b, topic, memory)
	trusted(0)
	if gaps := status().Gaps; gaps != 0 {
		t.Errorf("%d gaps, and nothing was lost: %+v", gaps, status())
	}

	b.deleteTopic(t, topic)
	b.createTopic(t, topic, 3)
	evicts("in the topic made again")
	trusted(1)
	t.Logf("%+v, %+v", status(), *status().Records)
}

func update(entity string) kafkaRecord {
	return kafkaRecord{entity, fmt.Sprintf(`{"entity":%q,"features":{"f":1},"version":1}`, entity)}
}

func evicted(t *testing.T, memory *notes, entity string) {
	t.Helper()
	eventually(t, "eviction of "+entity, func() error {
		if !memory.has(entity) {
			return fmt.Errorf("not evicted: %s", entity)
		}
		return nil
	})
}

func compressed(t *testing.T, b *broker, topic string, codec kgo.CompressionCodec, memory *notes) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.addr), kgo.ProducerBatchCompression(codec))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var batch []*kgo.Record
	for i := range 100 {
		batch = append(batch, &kgo.Record{Topic: topic, Value: []byte(update(fmt.Sprint(codec, " ", i)).value)})
	}
	if err := client.ProduceSync(t.Context(), batch...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	for i := range batch {
		evicted(t, memory, fmt.Sprint(codec, " ", i))
	}
}

// inTransactions produces in a transaction that is committed and in one that is
// not, the last to the topic, so that its marker is at the end.
func inTransactions(t *testing.T, b *broker, topic string, memory *notes) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(b.addr), kgo.TransactionalID("fsproxy-e2e"))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for entity, end := range map[string]kgo.TransactionEndTry{"committed": kgo.TryCommit, "aborted": kgo.TryAbort} {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(update(entity).value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := client.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	evicted(t, memory, "committed")
	if memory.has("aborted") {
		t.Error("an aborted record was acted on")
	}
}
