//go:build e2e

package e2e

import (
	"context"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// chaosPause lies between two disturbances.
const chaosPause = 3 * time.Second

// disturbances are what is done to the parts of a soak, each for a while.
var disturbances = []struct {
	name string
	do   func(ctx context.Context, t testing.TB, s *soak, rnd *rand.Rand)
}{
	{"Kafka is killed", func(ctx context.Context, t testing.TB, s *soak, rnd *rand.Rand) {
		s.kafka.kill()
		sleep(ctx, upTo(rnd, 2*soakMaxLag))
		s.kafka.start(t)
	}},
	{"Kafka does not answer", func(ctx context.Context, t testing.TB, s *soak, rnd *rand.Rand) {
		s.kafka.signal(t, syscall.SIGSTOP)
		sleep(ctx, upTo(rnd, 2*soakMaxLag))
		s.kafka.signal(t, syscall.SIGCONT)
	}},
	{"a fetcher is killed", func(ctx context.Context, t testing.TB, s *soak, rnd *rand.Rand) {
		shard := rnd.IntN(len(s.nodes))
		n := s.nodes[shard][rnd.IntN(len(s.nodes[shard]))]
		n.kill()
		sleep(ctx, upTo(rnd, 2*soakSilence))
		n.restart(t, &s.sending, func() map[string]hash { return s.content(shard) })
	}},
	{"a topic is deleted and made again", func(ctx context.Context, t testing.TB, s *soak, rnd *rand.Rand) {
		topic := []string{soakEvictTopic, soakValueTopic}[rnd.IntN(2)]
		s.kafka.deleteTopic(t, topic)
		sleep(ctx, upTo(rnd, soakMaxLag/2))
		s.kafka.createTopic(t, topic, soakPartitions)
	}},
	{"a topic loses what it has", func(_ context.Context, t testing.TB, s *soak, rnd *rand.Rand) {
		topic := []string{soakEvictTopic, soakValueTopic}[rnd.IntN(2)]
		for p := range soakPartitions {
			s.kafka.deleteRecords(t, topic, p)
		}
	}},
}

func upTo(rnd *rand.Rand, d time.Duration) time.Duration { return time.Duration(rnd.Int64N(int64(d))) }

// disturb does one disturbance after another, all of them equally often, until
// ctx ends. It leaves everything running.
func (s *soak) disturb(ctx context.Context, t testing.TB) {
	rnd := rand.New(rand.NewPCG(s.seed, 3))
	for {
		for _, i := range rnd.Perm(len(disturbances)) {
			sleep(ctx, chaosPause)
			if ctx.Err() != nil {
				return
			}
			t.Logf("soak: %s", disturbances[i].name)
			disturbances[i].do(ctx, t, s, rnd)
		}
	}
}
