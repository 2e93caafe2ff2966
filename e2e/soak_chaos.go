//go:build e2e

package e2e

import (
	"context"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"
)

// chaosPause lies between two disturbances.
const chaosPause = 2 * time.Second

// disturbances are what is done to the parts of a soak, each for a while.
var disturbances = []struct {
	name string
	do   func(ctx context.Context, t testing.TB, s *soak, rnd *rand.Rand)
}{
	{"fsproxy is stopped, and starts again", func(ctx context.Context, t testing.TB, s *soak, rnd *rand.Rand) {
		s.restart(t, syscall.SIGTERM, func() { sleep(ctx, upTo(rnd, soakMaxLag)) })
	}},
	{"fsproxy is killed, and starts again", func(ctx context.Context, t testing.TB, s *soak, rnd *rand.Rand) {
		s.restart(t, syscall.SIGKILL, func() { sleep(ctx, upTo(rnd, soakMaxLag)) })
	}},
	{"topics lose what they have while fsproxy is down", func(ctx context.Context, t testing.TB, s *soak, rnd *rand.Rand) {
		s.restart(t, syscall.SIGTERM, func() {
			sleep(ctx, upTo(rnd, soakMaxLag))
			for p := range soakPartitions {
				s.kafka.deleteRecords(t, soakEvictTopic, p)
				s.kafka.deleteRecords(t, soakValueTopic, p)
			}
		})
	}},
	{"fsproxy starts while Kafka does not answer", func(ctx context.Context, t testing.TB, s *soak, rnd *rand.Rand) {
		s.restart(t, syscall.SIGTERM, func() {
			sleep(ctx, upTo(rnd, soakMaxLag/2))
			s.kafka.signal(t, syscall.SIGSTOP)
		})
		sleep(ctx, upTo(rnd, 2*soakMaxLag))
		s.kafka.signal(t, syscall.SIGCONT)
	}},
	{"the RCM is killed", func(ctx context.Context, t testing.TB, s *soak, rnd *rand.Rand) {
		s.rcm.kill()
		sleep(ctx, upTo(rnd, soakMaxLag))
		s.rcm.start(t)
	}},
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
	for round := 0; ; round++ {
		order := rnd.Perm(len(disturbances))
		if round == 0 { // however short the soak: a restart that finds something to take over
			at := slices.Index(order, 0)
			order[0], order[at] = order[at], order[0]
		}
		for _, i := range order {
			sleep(ctx, chaosPause)
			if ctx.Err() != nil {
				return
			}
			t.Logf("soak: %s", disturbances[i].name)
			disturbances[i].do(ctx, t, s, rnd)
		}
	}
}
