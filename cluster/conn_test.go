package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// slack is how late an owner may be told of a deadline: what a machine that is
// shared with other work may delay a timer by.
const slack = 3 * time.Second

// shortFetch is a fetch timeout for tests that let it pass.
func shortFetch(c *Config) { c.FetchTimeout = 100 * time.Millisecond }

// mustEnd wants an answer or an error no later than the fetch timeout allows.
func mustEnd(t *testing.T, u *Upstream, a *asker) answer {
	t.Helper()
	got := a.wait(t)
	if got.took > u.cfg().FetchTimeout+slack {
		t.Fatalf("told after %s, with a fetch timeout of %s", got.took, u.cfg().FetchTimeout)
	}
	return got
}

func TestDeadlineIsKeptWhenAFetcherHangs(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	u := upstreamOf(t, shortFetch, fetcher)
	get(t, u, "warm")
	fetcher.will(hang)
	askers := make([]*asker, 100)
	for i := range askers {
		askers[i] = ask(fmt.Sprint("k", i))
		send(u, askers[i])
	}
	for _, a := range askers {
		got := mustEnd(t, u, a)
		if got.took < u.cfg().FetchTimeout {
			t.Fatalf("given up after %s, before the timeout", got.took)
		}
		if got.err == nil || !strings.Contains(got.err.Error(), fetcher.addr) {
			t.Fatalf("told %v, want an error that names %s", got.err, fetcher.addr)
		}
	}
}

// A dial that takes longer than a fetch may is no reason to wait for it. The
// greeting stands for it: a fetcher that takes the connection and says nothing.
func TestDeadlineIsKeptDuringASlowDial(t *testing.T) {
	inParallel(t)
	fetcher := startFake(t)
	release := make(chan struct{})
	greet := behaviour(func(p *peer, _ [][]byte) bool {
		select {
		case <-release:
			return p.say("+OK\r\n")
		case <-p.ended:
			return false
		}
	})
	u := upstreamOf(t, func(c *Config) {
		shortFetch(c)
		c.ConnectTimeout = patience
		c.Password = "secret"
	}, fetcher)
	fetcher.greet.Store(&greet)
	early := ask("early")
	send(u, early)
	if got := mustEnd(t, u, early); got.err == nil {
		t.Fatal("answered without a connection")
	}
	// The dial outlasts many fetch timeouts; then fetches are answered, on that
	// very connection, and nobody reads for those that were told.
	time.Sleep(15 * u.cfg().FetchTimeout)
	accepts := fetcher.accepts.Load()
	close(release)
	until(t, "a fetch is answered", func() bool { return get(t, u, "later").err == nil })
	for i := range 20 {
		get(t, u, fmt.Sprint("k", i))
	}
	if n := fetcher.accepts.Load(); n != accepts {
		t.Errorf("%d more dials: the connection that took long was not used", n-accepts)
	}
}

// A fetcher that does not read fills the kernel's buffers, then ours.
func TestDeadlineIsKeptWhenBuffersAreFull(t *testing.T) {
	noLeaks(t)
	u := upstreamOf(t, shortFetch, startFake(t))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close() // its backlog takes connections; nobody ever reads
	to := u.fetcherAt(ln.Addr().String())
	v := *u.view.Load()
	v.shards = []*shard{{nodes: []*fetcher{to}, near: 1, pace: newPace()}}
	u.view.Store(&v)

	field := strings.Repeat("f", 1<<20)
	askers := make([]*asker, 2*maxUnsent>>20)
	for i := range askers {
		askers[i] = ask(fmt.Sprint("k", i), field)
		send(u, askers[i])
	}
	for _, a := range askers {
		if got := mustEnd(t, u, a); got.err == nil {
			t.Fatal("answered by nobody")
		}
	}
}

// Replies that come too late, in any order of delays, never answer another
// fetch.
func TestLateRepliesGoToNobodyElse(t *testing.T) {
	noLeaks(t)
	fakes := []*fake{startFake(t), startFake(t)}
	u := upstreamOf(t, func(c *Config) {
		c.FetchTimeout = 20 * time.Millisecond
		c.Connections = 2
	}, fakes...)
	for _, f := range fakes {
		f.will(func(p *peer, args [][]byte) bool {
			d := time.Duration(rand.IntN(2)) * rand.N(30*time.Millisecond)
			return after(d, echo)(p, args)
		})
	}
	var told, late atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 60 {
				batch := make([]*asker, 1+rand.IntN(3))
				for j := range batch {
					batch[j] = ask(fmt.Sprintf("k%d-%d-%d", g, i, j), "1", "2")
				}
				send(u, batch...)
				for _, a := range batch {
					got := a.wait(t)
					if got.err != nil {
						late.Add(1)
					} else if told.Add(1); got.reply != a.want {
						t.Errorf("got %q, want %q", got.reply, a.want)
					}
				}
			}
		})
	}
	wg.Wait()
	if told.Load() == 0 || late.Load() == 0 {
		t.Errorf("%d told and %d late: the test shows nothing", told.Load(), late.Load())
	}
}

func TestReplyLongerThanTheBuffer(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	u := upstreamOf(t, nil, fetcher)
	for _, size := range []int{readBuffer - 8, readBuffer, readBuffer + 1, 3*readBuffer + 7, 5 << 20, 10} {
		long, short := ask("long", strings.Repeat("v", size)), ask("short")
		send(u, long, short)
		long.mustAnswer(t)
		short.mustAnswer(t)
	}
	// Many replies that do not end where reads end.
	askers := make([]*asker, 500)
	for i := range askers {
		askers[i] = ask(fmt.Sprint("k", i), strings.Repeat("f", rand.IntN(2000)))
	}
	send(u, askers...)
	for _, a := range askers {
		a.mustAnswer(t)
	}
}

// Whatever a fetcher sends, the process goes on, its owners are told, and the
// next fetch is answered.
func TestBytesFromUpstreamAreOnlyBytes(t *testing.T) {
	inParallel(t)
	fetcher := startFake(t)
	u := upstreamOf(t, func(c *Config) { c.FetchTimeout = 300 * time.Millisecond }, fetcher)
	replies := map[string]string{
		"moved without end":   "-MOVED 1 ",
		"moved to itself":     "-MOVED 1 " + fetcher.addr + "\r\n",
		"moved nowhere":       "-MOVED 1 256.256.256.256:1\r\n",
		"ask of nothing":      "-ASK\r\n",
		"huge array, started": "*40000000\r\n" + strings.Repeat("$-1\r\n", 10_000),
		"huge bulk, started":  "$100000000\r\n" + strings.Repeat("x", 1<<20),
		"nested null":         "*1\r\n*-1\r\n",
		"http":                "HTTP/1.1 400 Bad Request\r\n\r\n",
		"half a reply":        "*2\r\n$1\r\na",
		"pushes":              strings.Repeat(">1\r\n+x\r\n", 10_000),
		"binary":              "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
	}
	for name, bad := range malicious {
		replies[name] = bad
	}
	for name, bad := range replies {
		t.Run(name, func(t *testing.T) {
			fetcher.will(func(p *peer, _ [][]byte) bool { return p.say(bad) })
			askers := []*asker{ask("a"), ask("b"), ask("c")}
			send(u, askers...)
			for _, a := range askers {
				mustEnd(t, u, a)
			}
			fetcher.will(echo)
			fetcher.cut() // what is half said is not gone on with
			until(t, "a fetch is answered", func() bool {
				got := get(t, u, "after", name)
				if got.err == nil && got.reply != echoed("HMGET", "after", name) {
					t.Fatalf("the answer to another: %q", got.reply)
				}
				return got.err == nil
			})
		})
	}
}

// Random bytes, cut and mixed with honest replies.
func TestGarbageNeverAnswersAFetchWrongly(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	u := upstreamOf(t, func(c *Config) { c.FetchTimeout = 200 * time.Millisecond }, fetcher)
	alphabet := "*$+-:_#,(=!~>%|0123456789\r\n\r\n\r\nMOVED ASK"
	fetcher.will(func(p *peer, args [][]byte) bool {
		if rand.IntN(4) > 0 {
			return echo(p, args)
		}
		garbage := make([]byte, rand.IntN(60))
		for i := range garbage {
			garbage[i] = alphabet[rand.IntN(len(alphabet))]
		}
		p.say(string(garbage))
		return false
	})
	for i := range 300 {
		a := ask(fmt.Sprint("k", i))
		send(u, a)
		got := mustEnd(t, u, a)
		// What is well-formed is the owner's to judge; an array of the asked
		// length with another's value is what must never come.
		if got.err == nil && strings.HasPrefix(got.reply, "*1\r\n$") && got.reply != a.want && strings.Contains(got.reply, "/") {
			t.Fatalf("got %q, want %q", got.reply, a.want)
		}
	}
}

// A reply that never ends is refused when it is longer than one may be; it is
// not kept in memory, and neither is what comes unasked.
func TestEndlessRepliesDoNotFillMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("moves more than 128 MiB")
	}
	noLeaks(t)
	fetcher := startFake(t)
	u := upstreamOf(t, func(c *Config) { c.FetchTimeout = 20 * time.Second }, fetcher)
	pushes := strings.Repeat(">1\r\n$1000\r\n"+strings.Repeat("x", 1000)+"\r\n", 1000)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	fetcher.will(func(p *peer, args [][]byte) bool {
		for range 64 { // MiB
			if !p.say(pushes) {
				return false
			}
		}
		return echo(p, args)
	})
	a := ask("pushes")
	send(u, a)
	a.mustAnswer(t)
	runtime.ReadMemStats(&now)
	if grown := int64(now.HeapSys) - int64(before.HeapSys); grown > 16<<20 {
		t.Errorf("64 MiB of pushes grew the heap by %d bytes", grown)
	}
	fetcher.will(func(p *peer, _ [][]byte) bool {
		p.say("*1\r\n$134217000\r\n")
		for p.say(pushes) {
		}
		return false
	})
	get(t, u, "endless").mustNotBeAnswer(t)
}

func (a answer) mustNotBeAnswer(t *testing.T) {
	t.Helper()
	if a.err == nil {
		t.Fatalf("got %q, want an error", clip(a.reply))
	}
}

func TestUnaskedReplyEndsTheConnection(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	u := upstreamOf(t, nil, fetcher)
	fetcher.will(func(p *peer, args [][]byte) bool { return echo(p, args) && p.say("*1\r\n$5\r\nother\r\n") })
	for i := range 20 {
		a := ask(fmt.Sprint("k", i))
		send(u, a)
		if got := a.wait(t); got.err == nil && got.reply != a.want && i == 0 {
			t.Fatalf("got %q", got.reply)
		}
		until(t, "the connection is ended", func() bool { return fetcher.connections() == 0 })
	}
}

// A server that closes connections left idle does no harm: the next fetch finds
// a new one, and nothing counts as an error.
func TestIdleConnectionMayBeClosed(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	u := upstreamOf(t, nil, fetcher)
	for i := range 20 {
		a := ask(fmt.Sprint("k", i))
		send(u, a)
		a.mustAnswer(t)
		fetcher.cut()
		until(t, "the end is noticed", func() bool { return stateOf(u, fetcher.addr) == connIdle })
	}
	u.Fetchers(func(_ string, _ int64, stats *FetcherStats) {
		if n := stats.Errors.Load(); n > 0 {
			t.Errorf("%d errors counted", n)
		}
	})
	if n := u.Refreshes.Load(); n > 1 {
		t.Errorf("%d refreshes of the topology for nothing", n)
	}
}

func stateOf(u *Upstream, addr string) connState {
	c := u.fetcherAt(addr).conns[0]
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

func connOf(u *Upstream, addr string) net.Conn {
	c := u.fetcherAt(addr).conns[0]
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nc
}

// A server closes just as a fetch is sent: another of its shard answers, and the
// owner is told once.
func TestFetchSentIntoAClosingConnection(t *testing.T) {
	noLeaks(t)
	fakes := []*fake{startFake(t), startFake(t)}
	u := upstreamOf(t, nil, fakes...)
	until(t, "both are up", func() bool {
		get(t, u, "x")
		return stateOf(u, fakes[0].addr) == connUp && stateOf(u, fakes[1].addr) == connUp
	})
	for i := range 30 {
		both := []net.Conn{connOf(u, fakes[0].addr), connOf(u, fakes[1].addr)}
		cut := make(chan struct{})
		go func() { fakes[i%2].cut(); close(cut) }()
		askers := []*asker{ask("a"), ask("b"), ask("c"), ask("d")}
		for _, a := range askers {
			send(u, a)
		}
		for _, a := range askers {
			a.mustAnswer(t)
			if n := a.told.Load(); n != 1 {
				t.Fatalf("told %d times", n)
			}
		}
		<-cut
		until(t, "there is a new connection", func() bool {
			get(t, u, "x")
			return stateOf(u, fakes[i%2].addr) == connUp && connOf(u, fakes[i%2].addr) != both[i%2]
		})
	}
}

// The same where there is no other: what was lost on a connection that served
// for a while is asked anew on the next one, at once.
func TestOnlyFetcherThatClosesIsAskedAgain(t *testing.T) {
	inParallel(t)
	fetcher := startFake(t)
	u := upstreamOf(t, nil, fetcher)
	get(t, u, "k")
	time.Sleep(lastBackoff + 10*time.Millisecond)
	fetcher.will(func(p *peer, _ [][]byte) bool { fetcher.will(echo); return false })
	a := ask("k")
	send(u, a)
	a.mustAnswer(t)
}

// constantLoad sends fetches all the time, from several goroutines, for d.
func constantLoad(t *testing.T, u *Upstream, d time.Duration) (sent int64) {
	t.Helper()
	end := time.Now().Add(d)
	var n atomic.Int64
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				get(t, u, fmt.Sprintf("k%d-%d", g, i))
				n.Add(1)
				time.Sleep(200 * time.Microsecond)
			}
		})
	}
	wg.Wait()
	return n.Load()
}

// No more dials than the back-off allows: 50, 100, 200 … ms apart at the least
// half of that, which makes fewer than 8 in the first second of a connection.
const dialsASecond = 8

func TestFailingFetcherCostsNoStormOfDials(t *testing.T) {
	t.Parallel()
	for name, behave := range map[string]behaviour{
		"it hangs":            hang,
		"it closes":           cut,
		"it answers nonsense": says("$-7\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			inParallel(t)
			fetcher := startFake(t)
			u := upstreamOf(t, func(c *Config) {
				c.FetchTimeout = 20 * time.Millisecond
				c.ConnectTimeout = 100 * time.Millisecond
				c.Connections = 2
			}, fetcher)
			fetcher.will(behave)
			greet := behave
			fetcher.greet.Store(&greet)
			before := fetcher.accepts.Load() + int64(fetcher.saw("INFO"))
			sent := constantLoad(t, u, time.Second)
			dials := fetcher.accepts.Load() - before - int64(u.Refreshes.Load()) - int64(u.RefreshErrors.Load())
			if most := int64(2 * dialsASecond); dials > most || sent < 20 {
				t.Errorf("%d dials for %d fetches in a second, want at most %d", dials, sent, most)
			}
		})
	}
}

func TestRefusingFetcherCostsNoStormOfDials(t *testing.T) {
	inParallel(t)
	fetcher := startFake(t)
	u := upstreamOf(t, func(c *Config) { c.Connections = 2 }, fetcher)
	fetcher.stop()
	sent := constantLoad(t, u, time.Second)
	var errs uint64
	u.Fetchers(func(_ string, _ int64, stats *FetcherStats) { errs = stats.Errors.Load() })
	if most := uint64(2*dialsASecond + 2); errs == 0 || errs > most || sent < 100 {
		t.Errorf("%d dials for %d fetches in a second, want at most %d", errs, sent, most)
	}
}

// A hung connection whose fetches were all told, and to which no more are sent,
// is still found out and replaced.
func TestHungConnectionIsGivenUpWithoutFurtherFetches(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	u := upstreamOf(t, func(c *Config) { c.FetchTimeout = 20 * time.Millisecond }, fetcher)
	fetcher.will(hang)
	get(t, u, "k").mustNotBeAnswer(t)
	until(t, "the hung connection is closed", func() bool { return stateOf(u, fetcher.addr) == connDown })
	u.Fetchers(func(_ string, outstanding int64, _ *FetcherStats) {
		if outstanding != 0 {
			t.Errorf("%d still outstanding", outstanding)
		}
	})
	fetcher.will(echo)
	until(t, "it is used again", func() bool { return get(t, u, "k").err == nil })
}
