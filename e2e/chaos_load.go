//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
)

const (
	// chaosReaders ask at once, half of them through each client library. With
	// fewer, those that wait for a fetcher that hangs would be most of them.
	chaosReaders = 48
	// chaosRate is how many reads a second all of them send.
	chaosRate = 1200
	// hotPart of the reads ask for hot features, the others for cold ones.
	hotPart = 0.25
	// hotEntities are those of which hot features are asked for. All were read
	// before anything happens, so that they are in memory.
	hotEntities = 200
)

// chaosEntities are what the fleet holds: the first hotFeatures of each may be
// kept for long, the others for coldAge, so that reads of them need a fetcher.
var chaosEntities = entityKind{prefix: "ch", features: 15, entities: 2000}

const (
	hotFeatures = 5
	coldAge     = 300 * time.Millisecond
)

// chaosRead is one HMGET and what became of it.
type chaosRead struct {
	hot   bool
	key   string
	at    time.Time
	took  time.Duration
	err   error
	wrong string // what is wrong with the answer; empty: nothing
}

// hmgetFunc is HMGET of some client library, "" standing for nil.
type hmgetFunc func(ctx context.Context, key string, fields []string) ([]string, error)

// chaosClients are the libraries that the load comes from. None may try again by
// itself: a user of the library would not see the error, but the test has to.
func chaosClients(t testing.TB, addr string) []hmgetFunc {
	t.Helper()
	one := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, PoolSize: chaosReaders, ReadTimeout: wireTimeout})
	t.Cleanup(func() { _ = one.Close() })
	other, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{addr}, DisableCache: true, DisableRetry: true, ForceSingleClient: true,
	})
	if err != nil {
		t.Fatalf("connecting with rueidis: %v", err)
	}
	t.Cleanup(other.Close)
	return []hmgetFunc{goRedisHMGet(one), rueidisHMGet(other)}
}

func goRedisHMGet(client *redis.Client) hmgetFunc {
	return func(ctx context.Context, key string, fields []string) ([]string, error) {
		values, err := client.HMGet(ctx, key, fields...).Result()
		if err != nil {
			return nil, err
		}
		got := make([]string, len(values))
		for i, v := range values {
			got[i], _ = v.(string)
		}
		return got, nil
	}
}

func rueidisHMGet(client rueidis.Client) hmgetFunc {
	return func(ctx context.Context, key string, fields []string) ([]string, error) {
		values, err := client.Do(ctx, client.B().Hmget().Key(key).Field(fields...).Build()).ToArray()
		if err != nil {
			return nil, err
		}
		got := make([]string, len(values))
		for i, v := range values {
			if got[i], err = v.ToString(); err != nil && !rueidis.IsRedisNil(err) {
				return nil, fmt.Errorf("value %d: %w", i, err)
			}
		}
		return got, nil
	}
}

// chaosLoad is clients that read all the time, and what they saw.
type chaosLoad struct {
	hashes map[string]hash
	fields []string
	stop   context.CancelFunc
	ended  sync.WaitGroup
	seen   [chaosReaders][]chaosRead // each its reader's alone until ended
}

// startLoad has clients read from addr, at chaosRate, until stopped.
func startLoad(t testing.TB, addr string, hashes map[string]hash) *chaosLoad {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &chaosLoad{hashes: hashes, fields: chaosEntities.projection(), stop: stop}
	clients := chaosClients(t, addr)
	for i := range chaosReaders {
		l.ended.Go(func() { l.read(ctx, i, clients[i%len(clients)]) })
	}
	t.Cleanup(func() { _ = l.reads() })
	return l
}

// reads ends the load and returns all reads.
func (l *chaosLoad) reads() []chaosRead {
	l.stop()
	l.ended.Wait()
	var all []chaosRead
	for _, reads := range l.seen {
		all = append(all, reads...)
	}
	return all
}

// read is one reader. It skips those reads that are due while it waits, so that
// it does not make up for a pause by a burst.
func (l *chaosLoad) read(ctx context.Context, reader int, hmget hmgetFunc) {
	const every = chaosReaders * time.Second / chaosRate
	sleep(ctx, rand.N(every))
	for ticks := time.NewTicker(every); ; {
		select {
		case <-ctx.Done():
			ticks.Stop()
			return
		case <-ticks.C:
		}
		r := chaosRead{hot: rand.Float64() < hotPart, at: time.Now()}
		entities, fields := chaosEntities.entities, l.fields[hotFeatures:]
		if r.hot {
			entities, fields = hotEntities, l.fields[:hotFeatures]
		}
		r.key = chaosEntities.key(rand.IntN(entities))
		// It goes on past the end of the load: a read that is cut off tells nothing.
		var got []string
		got, r.err = hmget(context.WithoutCancel(ctx), r.key, fields)
		r.took = time.Since(r.at)
		if r.err == nil {
			r.wrong = amiss(got, l.hashes[r.key], r.key, fields)
		}
		l.seen[reader] = append(l.seen[reader], r)
	}
}

// amiss says where an answer is not what the fleet holds; "" where it is.
func amiss(got []string, held hash, key string, fields []string) string {
	if len(got) != len(fields) {
		return fmt.Sprintf("%s: %d values, want %d", key, len(got), len(fields))
	}
	for i, f := range fields {
		if got[i] != held[f] {
			return fmt.Sprintf("%s %s: %q, want %q", key, f, got[i], held[f])
		}
	}
	return ""
}

// errorReply tells whether err is what fsproxy answered, not a failure of the
// connection to it.
func errorReply(err error) bool {
	if _, ok := rueidis.IsRedisErr(err); ok {
		return true
	}
	var said redis.Error
	return errors.As(err, &said)
}
