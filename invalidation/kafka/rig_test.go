package kafka

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/invalidation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds how long a test waits for what must come.
const patience = 20 * time.Second

// recorder is a memory that notes what is done to it.
type recorder struct {
	mu   sync.Mutex
	done []string
	slow chan struct{} // nil: each change goes on at once
}

func (r *recorder) note(format string, args ...any) {
	if r.slow != nil {
		<-r.slow
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = append(r.done, fmt.Sprintf(format, args...))
}

func (r *recorder) Update(entity []byte, features [][]byte, _ time.Duration) {
	r.note("evict %s %s", entity, features[0])
}

func (r *recorder) Apply(entity []byte, values []invalidation.Value, version int64, _, _ time.Duration) int {
	v := values[0]
	r.note("apply %s %s=%s nil=%v version=%d", entity, v.Feature, v.Bytes, v.Nil, version)
	return 1
}
func (r *recorder) Invalidate(entity []byte, _ time.Duration) { r.note("forget %s", entity) }
func (r *recorder) InvalidateAll(time.Duration)               { r.note("forget everything") }
func (r *recorder) Mark(cover *feature.Cover) int {
	r.note("mark %s", strings.Join(cover.Items(), ","))
	return 1
}
func (r *recorder) Forget(*feature.Cover, time.Duration) int       { return 1 }
func (r *recorder) Suspend(*feature.Cover) invalidation.Suspension { return r }
func (r *recorder) Resume(time.Duration)                           {}
func (r *recorder) Lift(time.Duration)                             { r.note("lift") }
func (r *recorder) has(what string) bool                           { return slices.Contains(r.all(), what) }

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.done)
}

// rig is a source that reads a Kafka in this process.
type rig struct {
	t       *testing.T
	kafka   *kfake.Cluster
	memory  *recorder
	source  *Source
	client  *kgo.Client
	running context.CancelFunc
}

const updates = "updates"

// newKafka runs a Kafka of some brokers. The topic updates has two partitions.
func newKafka(t *testing.T, brokers int, options ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(brokers), kfake.SeedTopics(2, updates)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func coverAll(t *testing.T) *feature.Cover {
	t.Helper()
	cover, err := feature.NewCover([]string{"*"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return cover
}

func topicConfig(t *testing.T, name string) TopicConfig {
	return TopicConfig{
		Guard:  invalidation.GuardConfig{Name: name, Cover: coverAll(t), Settle: time.Millisecond, MaxLag: patience, OnLoss: invalidation.Bypass},
		Format: FormatJSON,
	}
}

// configOf reads the topic updates.
func configOf(t *testing.T, k *kfake.Cluster) Config {
	return Config{
		Brokers: k.ListenAddrs(), CheckInterval: 20 * time.Millisecond, RefreshInterval: 50 * time.Millisecond,
		Topics: []TopicConfig{topicConfig(t, updates)},
	}
}

func newRig(t *testing.T, k *kfake.Cluster, change ...func(*Config)) *rig {
	t.Helper()
	t.Parallel() // they mostly wait
	cfg := configOf(t, k)
	for _, c := range change {
		c(&cfg)
	}
	r := &rig{t: t, kafka: k, memory: &recorder{}}
	var err error
	if r.source, err = New(cfg, r.memory, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	r.client = newProducer(t, k)
	return r
}

func newProducer(t *testing.T, k *kfake.Cluster, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	// Without idempotence, which a topic made again would confuse.
	return newClientOf(t, k, append(options, kgo.MaxProduceRequestsInflightPerBroker(1), kgo.DisableIdempotentWrite())...)
}

func newClientOf(t *testing.T, k *kfake.Cluster, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(k.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(10 * time.Millisecond),
		kgo.UnknownTopicRetries(-1), kgo.MetadataMaxAge(100 * time.Millisecond),
	}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// run starts the source; it ends with the test.
func (r *rig) run() *rig {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.source.Run(ctx) }()
	r.running = func() { cancel(); <-done }
	r.t.Cleanup(r.running)
	return r
}

// started runs the source and waits until it is trusted.
func (r *rig) started() *rig {
	r.t.Helper()
	r.run()
	r.until("trusted", func() bool { return r.status().State == invalidation.StateTrusted })
	return r
}

func (r *rig) status() invalidation.Status    { return r.source.Statuses()[0] }
func (r *rig) counters() invalidation.Records { return *r.status().Records }

func (r *rig) until(what string, holds func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("not %s: %+v, %+v; done: %v", what, r.status(), r.counters(), r.memory.all())
		}
	}
}

// wants waits until all of these were done.
func (r *rig) wants(done ...string) {
	r.t.Helper()
	for _, what := range done {
		r.until(what, func() bool { return r.memory.has(what) })
	}
}

// caughtUp waits until a check that begins now finds nothing unread.
func (r *rig) caughtUp() {
	r.t.Helper()
	now := time.Now()
	r.until("caught up", func() bool {
		s := r.status()
		return s.LagRecords == 0 && s.Error == "" && s.LastHeard.After(now)
	})
}

func (r *rig) produce(partition int32, key, value string) {
	r.t.Helper()
	r.produceTo(updates, partition, key, value)
}

func (r *rig) produceTo(topic string, partition int32, key, value string) {
	r.t.Helper()
	record := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}
	if key != "" {
		record.Key = []byte(key)
	}
	if value == "null" {
		record.Value = nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.client.ProduceSync(ctx, record).FirstErr(); err != nil {
		r.t.Fatalf("produce: %v", err)
	}
}

// says is a record that feature f of an entity changed.
func says(entity string) string { return fmt.Sprintf(`{"entity":%q,"features":{"f":1}}`, entity) }

func evicted(entity string) string { return "evict " + entity + " f" }
