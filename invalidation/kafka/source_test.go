package kafka

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/invalidation"
)

// old is a Kafka that has no identities of topics yet.
func old(t *testing.T) kfake.Opt {
	t.Helper()
	return kfake.MaxVersions(kversion.V2_0_0())
}

// H7
func TestReadingBeginsAtTheEndOfEveryPartition(t *testing.T) {
	for name, options := range map[string][]kfake.Opt{"identities": nil, "names": {old(t)}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, newKafka(t, 3, options...))
			r.produce(0, "", says("old0"))
			r.produce(1, "", says("old1"))
			r.started()
			r.produce(0, "", says("new0"))
			r.produce(1, "", says("new1"))
			r.wants(evicted("new0"), evicted("new1"))
			r.caughtUp()
			if done := r.memory.all(); len(done) != 2 {
				t.Errorf("done: %v", done)
			}
			if s := r.status(); s.Gaps != 0 || s.Position != "0:2 1:2" {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestARewindBeginsAtTheFirstRecordOfThatTime(t *testing.T) {
	r := newRig(t, newKafka(t, 2), func(c *Config) { c.Topics[0].Rewind = time.Minute })
	for entity, age := range map[string]time.Duration{"old": time.Hour, "recent": time.Second} {
		record := &kgo.Record{Topic: updates, Value: []byte(says(entity)), Timestamp: time.Now().Add(-age)}
		if err := r.client.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	r.started()
	r.wants(evicted("recent"))
	r.caughtUp()
}

func TestATopicIsNotPositionedBeforeItExists(t *testing.T) {
	r := newRig(t, newKafka(t, 1), func(c *Config) { c.Topics = []TopicConfig{topicConfig(t, "later")} }).run()
	r.until("said to be missing", func() bool { return r.status().Error == "topic later does not exist" })
	if s := r.status(); s.State != invalidation.StateStarting || !s.Suspended {
		t.Errorf("%+v", s)
	}
	if err := r.kafka.CreateTopic("later", 1, nil); err != nil {
		t.Fatal(err)
	}
	r.until("trusted", func() bool { return r.status().State == invalidation.StateTrusted })
	r.produceTo("later", 0, "", says("e"))
	r.wants(evicted("e"))
}

func TestATopicWithoutAnswersIsNotHealthyHoweverSilent(t *testing.T) {
	r := newRig(t, newKafka(t, 1)).started()
	fault := r.kafka.Fault(faultOf(listOffsets, nil, -1))
	r.until("in trouble", func() bool { return r.status().Error != "" })
	heard := r.status().LastHeard
	if err := fault.Wait(t.Context(), fault.Hits()+3); err != nil {
		t.Fatal(err)
	}
	if s := r.status(); s.LastHeard.Sub(heard) > 0 {
		t.Errorf("heard at %v without an answer: %+v", s.LastHeard, s)
	}
	fault.Remove()
	r.caughtUp()
}

func TestWhatIsUnreadIsCounted(t *testing.T) {
	r := newRig(t, newKafka(t, 1)).pausable().started()
	for i := range 10 {
		r.produce(int32(i%2), "", says(fmt.Sprint("e", i)))
	}
	r.until("behind", func() bool { return r.status().LagRecords == 10 && r.status().Lag >= 50*time.Millisecond })
	close(r.memory.slow)
	r.caughtUp()
}

func TestRecordsThatCannotBeReadAreNoStop(t *testing.T) {
	r := newRig(t, newKafka(t, 1)).started()
	r.produce(0, "", "nonsense")
	r.produce(0, "key", "nonsense")
	r.produce(0, "gone", "null")
	r.produce(0, "by key", `{"features":{"f":1}}`)
	r.produce(0, "key of no features", `{"entity":"entity of no features"}`)
	r.produce(0, "", says("last"))
	r.wants("forget key", "forget gone", evicted("by key"), "forget entity of no features", "forget key of no features", evicted("last"))
	if c := r.counters(); c.Read != 6 || c.Unreadable != 3 || c.Evicted != 2 {
		t.Errorf("%+v", c)
	}
	if s := r.status(); s.Gaps != 0 || s.Counts[invalidation.WhatEntity] != 4 || s.Counts[invalidation.WhatUpdate] != 2 {
		t.Errorf("%+v", s)
	}
}

func TestNewerValuesArePutInPlaceWhereTheTopicSaysSo(t *testing.T) {
	r := newRig(t, newKafka(t, 1), func(c *Config) { c.Topics[0].Apply = true }).started()
	r.produce(0, "e", `{"features":{"f":"x"},"version":7}`)
	r.produce(0, "e", `{"features":{"g":null},"version":8}`)
	r.produce(0, "e", `{"features":{"unversioned":1}}`)
	r.produce(0, "e", `{"features":{"list":[1]},"version":9}`)
	r.wants("apply e f=x nil=false version=7", "apply e g= nil=true version=8", "evict e unversioned", "evict e list")
}

// H6: where what a topic covers is served although the topic is behind, its
// records are of any age, and their values no news.
func TestValuesOfATopicThatIsNotTrustedAreNotPutInPlace(t *testing.T) {
	for _, onLoss := range []invalidation.OnLoss{invalidation.Flush, invalidation.Serve} {
		memory := &recorder{}
		cfg := topicConfig(t, updates)
		cfg.Apply, cfg.Guard.OnLoss, cfg.Guard.ServeFor = true, onLoss, time.Hour
		topic, err := newTopic(cfg, Config{}, memory, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		act := func(version int) {
			topic.act(0, record{value: fmt.Appendf(nil, `{"entity":"e","features":{"f":"x"},"version":%d}`, version)})
		}
		topic.guard.Start()
		topic.guard.Report(invalidation.Health{Positioned: true})
		act(1)
		topic.guard.Report(invalidation.Health{Positioned: true, Lag: cfg.Guard.MaxLag})
		act(2)
		did := memory.all()
		if len(did) < 2 || did[len(did)-2] != "apply e f=x nil=false version=1" || did[len(did)-1] != "evict e f" {
			t.Errorf("%s: %v", onLoss, did)
		}
	}
}

func TestEveryCodecIsRead(t *testing.T) {
	r := newRig(t, newKafka(t, 1)).started()
	for name, codec := range map[string]kgo.CompressionCodec{
		"gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		client := newProducer(t, r.kafka, kgo.ProducerBatchCompression(codec))
		var records []*kgo.Record
		for i := range 50 {
			records = append(records, &kgo.Record{Topic: updates, Value: []byte(says(fmt.Sprint(name, i)))})
		}
		if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		r.wants(evicted(name+"0"), evicted(name+"49"))
	}
	r.caughtUp()
	if c := r.counters(); c.Evicted != 200 || c.Unreadable != 0 {
		t.Errorf("%+v", c)
	}
}

func TestMarkersAreCarriedOutTwice(t *testing.T) {
	r := newRig(t, newKafka(t, 1), func(c *Config) { c.Topics[0].Format = FormatMarkers }).started()
	r.produce(0, "f", "2026-01-01")
	r.produce(0, "", `{"feature":"g*"}`)
	r.produce(0, "", `no feature`)
	twice := func(name string) func() bool {
		return func() bool {
			n := 0
			for _, done := range r.memory.all() {
				if marked, ok := strings.CutPrefix(done, "mark "); ok && slices.Contains(strings.Split(marked, ","), name) {
					n++
				}
			}
			return n == 2
		}
	}
	r.until("marked twice", twice("f"))
	r.until("marked twice", twice("g*"))
	r.until("counted", func() bool { return r.status().Counts[invalidation.WhatMarker] == 2 && r.counters().Unreadable == 1 })
}

func TestManyPartitionsNeedFewConnections(t *testing.T) {
	k := newKafka(t, 3)
	if err := k.CreateTopic("wide", 64, nil); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, k, func(c *Config) { c.Topics = []TopicConfig{topicConfig(t, "wide")} }).started()
	for i := range int32(64) {
		r.produceTo("wide", i, "", says(fmt.Sprint("e", i)))
	}
	for i := range 64 {
		r.wants(evicted(fmt.Sprint("e", i)))
	}
	open := r.source.brokers.(*client).open
	open.mu.Lock()
	defer open.mu.Unlock()
	if n := len(open.conns); n > 9 {
		t.Errorf("%d connections to 3 brokers", n)
	}
}

func TestWhatATopicDoesNotCoverIsActedOnAndCounted(t *testing.T) {
	r := newRig(t, newKafka(t, 1), func(c *Config) {
		cover, err := feature.NewCover([]string{"f", "g*"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Topics[0].Guard.Cover = cover
	}).started()
	r.produce(0, "", `{"entity":"e","features":{"h":1}}`)
	r.produce(0, "", fmt.Sprintf(`{"entity":"e","features":{"f":1,"g7":1,%q:1}}`, feature.ID("f")))
	r.until("acted on", func() bool { return r.counters().Evicted == 4 })
	r.wants("evict e h")
	if n := r.counters().Uncovered; n != 1 {
		t.Errorf("%d uncovered", n)
	}
}
