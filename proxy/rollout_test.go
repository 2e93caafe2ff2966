package proxy_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/rollout"
)

// ruled is a stack under rules, and what compares for it.
type ruled struct {
	*stack
	rules *rollout.Rollout
}

// newRuled starts a proxy under rules in front of the store at addr. Without
// workers nothing is ever compared.
func newRuled(t *testing.T, addr string, mode config.Mode, workers bool, rules ...config.Rule) *ruled {
	t.Helper()
	r := new(ruled)
	r.stack = newStack(t, addr, func(s *setup) {
		s.rollout = func(held *cache.Cache, clock *cache.Clock, up *cluster.Upstream) *rollout.Rollout {
			made, err := rollout.New(rollout.Config{
				Mode: mode, Options: config.Rollout{Rules: rules, Workers: 1, Queue: 1024, Differences: 10, LogValues: true},
				Cache: held, Clock: clock, Store: up, Log: s.proxy.Log,
				Promise: func(string) rollout.Promise {
					return rollout.Promise{Source: "markers", Within: 20 * time.Millisecond, Covered: true}
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			r.rules = made
			return made
		}
	})
	if workers {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); r.rules.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-ended })
	}
	return r
}

func everything(name string, mode config.Mode) config.Rule {
	return config.Rule{Name: name, Mode: mode, Percent: 100}
}

// reads are requests of all kinds, by chance but the same each time.
func randomReads(n int) (all []string) {
	rng := rand.New(rand.NewPCG(7, 7))
	field := func() string { return fmt.Sprint("f", rng.IntN(6)) }
	for range n {
		entity := fmt.Sprint("e", rng.IntN(5))
		switch rng.IntN(8) {
		case 0:
			all = append(all, "HGET "+entity+" "+field())
		case 1:
			all = append(all, "HMGET wrong "+field())
		case 2:
			all = append(all, "HGET wrong "+field())
		case 3:
			all = append(all, "MULTI", "HMGET "+entity+" "+field()+" "+field(), "HGET "+entity+" "+field(), "EXEC")
		case 4:
			all = append(all, fmt.Sprint("HSET ", entity, " ", field(), " ", rng.IntN(100)))
		case 5:
			all = append(all, "HMGET "+entity)
		default:
			all = append(all, "HMGET "+entity+" "+field()+" "+field()+" "+field())
		}
	}
	return all
}

// In dry-run the store answers: whatever is in memory, and whoever compares or
// does not.
func TestDryRunNeverChangesAnAnswer(t *testing.T) {
	for _, workers := range []bool{true, false} {
		for _, hello := range []string{"HELLO 2", "HELLO 3"} {
			t.Run(fmt.Sprint(hello, " workers ", workers), func(t *testing.T) {
				store := miniredis.RunT(t)
				for i := range 5 {
					store.HSet(fmt.Sprint("e", i), "f0", "1", "f1", "", "f2", strings.Repeat("x", 100))
				}
				_ = store.Set("wrong", "text")
				r := newRuled(t, store.Addr(), config.ModeDryRun, workers)
				through, direct := r.dial(), dial(t, store.Addr())
				through.do(hello)
				direct.do(hello)
				for i, request := range randomReads(400) {
					if i%10 == 0 { // what nobody tells of: only the store can know it
						store.HSet("e1", "f3", fmt.Sprint("behind ", i))
					}
					got, want := through.do(request), ""
					if strings.HasPrefix(request, "HSET") {
						continue // the store has it now
					}
					if want = direct.do(request); got != want {
						t.Fatalf("%q is answered %q, the store says %q", request, got, want)
					}
				}
				if r.hits() != 0 {
					t.Errorf("%d reads were answered from memory", r.hits())
				}
				if !workers {
					return
				}
				settle()
				for _, value := range []string{"1", "1", "2"} {
					store.HSet("e1", "f3", value)
					through.wantsDone("HMGET e1 f3", "*1\r\n"+bulk(value))
					settle()
				}
				await(t, "what was written behind the proxy's back is found wrong", func() bool {
					return r.rules.Stats().Compared[rollout.KindDryRun][rollout.Wrong] > 0
				})
				if s := r.rules.Stats(); s.Served == 0 || s.Compared[rollout.KindDryRun][rollout.Match] == 0 {
					t.Errorf("nothing was compared: %+v", s)
				}
			})
		}
	}
}

// A pipeline in dry-run is answered in order, whether or not anybody compares:
// what does not fit the queue is dropped.
func TestDryRunWaitsForNoWorker(t *testing.T) {
	store := miniredis.RunT(t)
	r := newRuled(t, store.Addr(), config.ModeDryRun, false)
	p := r.dial()
	const pipelines, length = 20, 100
	for i := range pipelines {
		var requests []string
		for j := range length {
			store.HSet(fmt.Sprint("e", j), "f", fmt.Sprint(i, " ", j))
			requests = append(requests, fmt.Sprintf("HMGET e%d f", j))
		}
		p.send(cmds(requests...))
		for j := range length {
			if got, want := p.reply(), "*1\r\n"+bulk(fmt.Sprint(i, " ", j)); got != want {
				t.Fatalf("reply %d of pipeline %d is %q, want %q", j, i, got, want)
			}
		}
	}
	if n := r.rules.Stats().Dropped[rollout.KindDryRun][rollout.DropQueue]; n != pipelines*length-1024 {
		t.Errorf("%d reads dropped of %d, with room for 1024", n, pipelines*length)
	}
}

// Rules decide by entity, and by the most careful of a read's features, within
// one pipeline as well.
func TestReadsUnderDifferentRulesShareAConnection(t *testing.T) {
	store := miniredis.RunT(t)
	for _, e := range []string{"live", "dry", "off"} {
		store.HSet(e, "f", e, "careful", e)
	}
	r := newRuled(t, store.Addr(), config.ModeLive, true,
		config.Rule{Name: "careful", Features: []string{"careful"}, Entities: []string{"live"}, Mode: config.ModeDryRun, Percent: 100},
		config.Rule{Name: "live", Entities: []string{"live"}, Mode: config.ModeLive, Percent: 100},
		config.Rule{Name: "dry", Entities: []string{"dry"}, Mode: config.ModeDryRun, Percent: 100},
		config.Rule{Name: "rest", Mode: config.ModeOff, Percent: 100},
	)
	p := r.dial()
	const rounds = 10
	var requests []string
	var want []string
	for range rounds {
		for _, e := range []string{"live", "dry", "off"} {
			requests, want = append(requests, "HMGET "+e+" f"), append(want, "*1\r\n"+bulk(e))
		}
		requests, want = append(requests, "HMGET live f careful"), append(want, "*2\r\n"+bulk("live")+bulk("live"))
	}
	p.do("HMGET live f")
	time.Sleep(20 * time.Millisecond)
	p.send(cmds(requests...))
	for i := range want {
		if got := p.reply(); got != want[i] {
			t.Fatalf("reply %d to %q is %q, want %q", i, requests[i], got, want[i])
		}
	}
	if r.hits() != rounds {
		t.Errorf("%d reads were answered from memory, want %d", r.hits(), rounds)
	}
	if off, dry := r.bypasses("mode_off"), r.bypasses("dry_run"); off != rounds || dry != 2*rounds {
		t.Errorf("%d reads forwarded and %d in dry-run, want %d and %d", off, dry, rounds, 2*rounds)
	}
}

// Of a rule's answers from memory, its share is compared with the store.
func TestAnswersFromMemoryAreVerified(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("e", "f", "1")
	verified := everything("all", config.ModeLive)
	verified.Verify = 100
	r := newRuled(t, store.Addr(), config.ModeDryRun, true, verified)
	p := r.dial()
	want := "*1\r\n" + bulk("1")
	for range 10 {
		if got := p.do("HMGET e f"); got != want {
			t.Fatalf("answered %q", got)
		}
	}
	await(t, "nine answers are verified", func() bool {
		return r.rules.Stats().Compared[rollout.KindVerify][rollout.Match] == 9 && r.hits() == 9
	})
	store.HSet("e", "f", "2")
	if got := p.do("HMGET e f"); got != want {
		t.Fatalf("answered %q", got)
	}
	await(t, "the change that nobody told of is found", func() bool {
		return r.rules.Stats().Compared[rollout.KindVerify][rollout.Wrong] == 1
	})
}

// Rules that forward a read keep nothing of it, within a transaction either.
func TestModeOffKeepsNothing(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("e", "f", "1")
	r := newRuled(t, store.Addr(), config.ModeOff, true)
	p := r.dial()
	for range 3 {
		p.send(cmds("MULTI", "HMGET e f", "EXEC", "HMGET e f"))
		for _, want := range []string{"+OK\r\n", "+QUEUED\r\n", "*1\r\n*1\r\n" + bulk("1"), "*1\r\n" + bulk("1")} {
			if got := p.reply(); got != want {
				t.Fatalf("answered %q, want %q", got, want)
			}
		}
	}
	if s := r.cache.Stats(); s.Rows != 0 || s.Fills != 0 {
		t.Errorf("%d rows are held", s.Rows)
	}
	if err := r.rules.SetMode(config.ModeDryRun); err != nil {
		t.Fatal(err)
	}
	p.send(cmds("MULTI", "HMGET e f", "HGET e f", "EXEC"))
	for range 3 {
		p.reply()
	}
	if got, want := p.reply(), "*2\r\n*1\r\n"+bulk("1")+bulk("1"); got != want {
		t.Fatalf("answered %q, want %q", got, want)
	}
	await(t, "the reads of a transaction are projected", func() bool { return r.rules.Stats().Reads == 2 && r.cache.Stats().Rows == 1 })
}
