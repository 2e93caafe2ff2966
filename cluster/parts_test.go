package cluster

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// parted is an asker that fills a cache.
type parted struct {
	*asker
	mu    sync.Mutex
	parts []string // "0 2: *2…"
}

func askParted(key string, fields ...string) *parted {
	p := &parted{asker: ask(key, fields...)}
	p.fetch.Owner = p
	return p
}

// Part implements PartOwner.
func (p *parted) Part(reply []byte, numbers []int32, from string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told.Load() > 0 || from == "" {
		p.parts = append(p.parts, "too late, or of nobody")
	}
	p.parts = append(p.parts, fmt.Sprint(numbers, " ", string(reply)))
}

// gate holds back replies to requests whose words, "HMGET k a b", it has.
type gate struct {
	mu   sync.Mutex
	shut map[string]chan struct{}
	seen []string
}

// gated has a fake echo, except what goes through the gate.
func gated(f *fake) *gate {
	g := &gate{shut: make(map[string]chan struct{})}
	heard := func(args [][]byte) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.seen = append(g.seen, string(bytes.Join(args, []byte(" "))))
	}
	f.heard.Store(&heard)
	f.will(func(p *peer, args [][]byte) bool {
		g.mu.Lock()
		wait := g.shut[string(bytes.Join(args, []byte(" ")))]
		g.mu.Unlock()
		if wait != nil {
			select {
			case <-wait:
			case <-p.ended:
				return false
			}
		}
		return echo(p, args)
	})
	return g
}

// close has the reply to a request held back until open is called.
func (g *gate) close(request string) (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	wait := make(chan struct{})
	g.shut[request] = wait
	return sync.OnceFunc(func() { close(wait) })
}

// asked are the requests that came.
func (g *gate) asked() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.seen)
}

// Readers that overlap are each told what they asked for, in their order, and no
// field is asked for twice. Who asked the store for a part gets that to keep.
func TestReadersThatOverlapAskForEachFieldOnce(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	g := gated(fetcher)
	open := g.close("HMGET k a b c")
	u := upstreamOf(t, nil, fetcher)
	lead := askParted("k", "a", "b", "c")
	send(u, lead.asker)
	until(t, "the fetch is under way", func() bool { return len(g.asked()) == 1 })
	readers := []*parted{
		askParted("k", "c", "b", "a"),
		askParted("k", "b"),
		askParted("k", "d", "a", "e", "d"), // of which d and e are asked for
		askParted("k", "e", "b", "d", "c"), // and joined
		askParted("l", "a", "b", "c"),      // another entity
	}
	for _, r := range readers {
		send(u, r.asker)
	}
	until(t, "all that is needed is asked for", func() bool { return len(g.asked()) == 3 })
	open()
	if got := lead.mustAnswer(t); got.joined || len(lead.parts) != 0 {
		t.Errorf("the lead was told %+v, and %q before", got, lead.parts)
	}
	for i, r := range readers {
		var parts []string
		if i == 2 {
			parts = []string{"[0 2 3] " + echoed("HMGET", "k", "d", "e", "d")}
		}
		if got := r.mustAnswer(t); got.joined != (i < 4) || !slices.Equal(r.parts, parts) {
			t.Errorf("reader %d was told %+v, and %q before", i, got, r.parts)
		}
	}
	u.Close()
	want := []string{"HMGET k a b c", "HMGET k d e d", "HMGET l a b c"}
	if got := g.asked(); !slices.Equal(got, want) {
		t.Errorf("the store was asked %q, want %q", got, want)
	}
	if n := listed(&u.flights); n != 0 || u.Joined.Load() != 4 {
		t.Errorf("%d are still listed; %d joined, want 4", n, u.Joined.Load())
	}
}

// H22b: the fetch that a reader joined for a part is given up before the reader's
// own time is: that part is asked for anew, and given to it to keep.
func TestAPartOutlivesTheDeadlineOfWhatItJoined(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	g := gated(fetcher)
	open := g.close("HMGET k a b")
	u := upstreamOf(t, func(c *Config) { c.FetchTimeout = time.Minute }, fetcher)
	lead, subset, overlapping := ask("k", "a", "b"), askParted("k", "b"), askParted("k", "c", "b", "a")
	now := time.Now()
	lead.fetch.deadline = now.Add(100 * time.Millisecond)
	subset.fetch.deadline, overlapping.fetch.deadline = now.Add(time.Minute), now.Add(time.Minute)
	var done flushers
	u.depart([]*Fetch{&lead.fetch, &subset.fetch, &overlapping.fetch}, nil, now, &done)
	lead.mustFail(t, "no answer")
	open()
	subset.mustAnswer(t)
	overlapping.mustAnswer(t)
	slices.Sort(overlapping.parts) // the rest and what was asked for anew came in any order
	// b is in flight again, on behalf of the subset's reader.
	want := []string{"[0] " + echoed("HMGET", "k", "c"), "[2] " + echoed("HMGET", "k", "a")}
	if !slices.Equal(overlapping.parts, want) {
		t.Errorf("it was given %q, want %q", overlapping.parts, want)
	}
}

// A fetch that fails gives its error to those that joined it, for all they asked
// for or for a part, and to no others.
func TestAFetchThatFailsGivesItsErrorToThoseThatJoinedIt(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	const refused = "-ERR a is broken\r\n"
	g := gated(fetcher)
	open := g.close("HMGET k z")
	inner := *fetcher.behave.Load()
	fetcher.will(func(p *peer, args [][]byte) bool {
		if string(args[2]) == "a" {
			return p.say(refused)
		}
		return inner(p, args)
	})
	u := upstreamOf(t, nil, fetcher)
	first := ask("k", "z") // holds back the others
	bad, good := ask("k", "a", "b"), ask("k", "c", "d")
	joinBad, joinBoth, joinBadAndAsk := ask("k", "b"), ask("k", "d", "b"), askParted("k", "b", "e")
	joinGood, joinGoodAndAsk, joinRest := ask("k", "d"), askParted("k", "c", "f"), ask("k", "f", "e")
	send(u, first)
	send(u, bad, good, joinBad, joinBoth, joinBadAndAsk.asker, joinGood, joinGoodAndAsk.asker, joinRest)
	open()
	for _, a := range []*asker{bad, joinBad, joinBoth, joinBadAndAsk.asker} {
		if got := a.wait(t); got.err != nil || got.reply != refused {
			t.Errorf("%q was told %+v, want the store's error", a.want, got)
		}
	}
	for _, a := range []*asker{first, good, joinGood, joinGoodAndAsk.asker, joinRest} {
		a.mustAnswer(t)
	}
	if len(joinBadAndAsk.parts) != 1 || len(joinGoodAndAsk.parts) != 1 {
		t.Errorf("what was asked for beside a fetch that failed is %q, %q", joinBadAndAsk.parts, joinGoodAndAsk.parts)
	}
}

// The same where there is no reply at all: each is told why, once, in the lead's
// words.
func TestALostFetchGivesItsErrorToThePartsThatJoinedIt(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	fetcher.will(hang)
	u := upstreamOf(t, nil, fetcher)
	lead, subset, overlapping := ask("k", "a", "b"), ask("k", "b"), ask("k", "b", "c")
	send(u, lead, subset, overlapping)
	until(t, "the fetch is under way", func() bool { return fetcher.reads.Load() == 1 })
	fetcher.stop()
	why := lead.mustFail(t, fetcher.addr).err.Error()
	subset.mustFail(t, why)
	overlapping.mustFail(t, fetcher.addr) // or why the rest failed, if that was known first
	u.Close()
	if subset.told.Load() != 1 || overlapping.told.Load() != 1 {
		t.Error("one was told more than once")
	}
}

// strict is a store that sees to it that nobody asks for a field of an entity that
// is on its way already, unless it was invalidated since.
type strict struct {
	t  *testing.T
	mu sync.Mutex // protects what follows
	// versions of each field of an entity; an invalidation makes the next.
	versions map[string]int64
	// asked is, by request, the version that each field had when it came.
	asked map[*[]byte]map[string]int64
	came  int64 // requests
}

func (s *strict) heard(args [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fields := make(map[string]int64)
	for _, field := range args[2:] {
		name := string(args[1]) + "/" + string(field)
		fields[name] = s.versions[name]
	}
	for _, others := range s.asked {
		for name, version := range fields {
			if at, ok := others[name]; ok && at == version {
				s.t.Errorf("%s was asked for twice at one time", name)
			}
		}
	}
	s.asked[&args[0]] = fields
	s.came++
}

// answer gives each field's name and version.
func (s *strict) answer(p *peer, args [][]byte) bool {
	time.Sleep(rand.N(200 * time.Microsecond)) // the store's work: others come meanwhile
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args)-2)
	for _, field := range args[2:] {
		name := string(args[1]) + "/" + string(field)
		b.WriteString(bulk(fmt.Sprint(name, "/", s.versions[name])))
	}
	delete(s.asked, &args[0])
	return p.say(b.String())
}

// Many readers that overlap in all ways, while fields are invalidated: none is
// told a value from before an invalidation that it came after, and no field is
// asked for twice without one between.
func TestNoFieldIsAskedForTwiceAtOneTime(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	store := &strict{t: t, versions: make(map[string]int64), asked: make(map[*[]byte]map[string]int64)}
	heard := store.heard
	fetcher.heard.Store(&heard)
	fetcher.will(store.answer)
	u := upstreamOf(t, func(c *Config) { c.Connections, c.FetchTimeout = 3, time.Minute }, fetcher)

	var (
		sending sync.RWMutex // an invalidation comes when all that was sent has reached the store
		tick    atomic.Int64
		last    = make(map[string][2]int64) // of each field: tick of its invalidation, version. Under sending
		readers sync.WaitGroup
		reading atomic.Int64
	)
	tick.Store(1) // what was never invalidated was at tick 0
	const entities, names, rounds = 2, 8, 150
	for range 12 {
		reading.Add(1)
		readers.Go(func() {
			defer reading.Add(-1)
			for range rounds {
				batch := make([]*asker, 1+rand.IntN(4))
				least := make([][]int64, len(batch))
				sending.RLock()
				for i := range batch {
					entity := fmt.Sprint("e", rand.IntN(entities))
					fields := make([]string, 1+rand.IntN(5))
					for j := range fields {
						fields[j] = fmt.Sprint(rand.IntN(names))
					}
					a := ask(entity, fields...)
					a.want = entity + " " + strings.Join(fields, " ")
					a.fetch.Began = tick.Load()
					for _, field := range fields {
						was := last[entity+"/"+field]
						a.fetch.After = append(a.fetch.After, was[0])
						least[i] = append(least[i], was[1])
					}
					batch[i] = a
				}
				send(u, batch...)
				sending.RUnlock()
				for i, a := range batch {
					checkVersions(t, a, least[i])
				}
			}
		})
	}
	for reading.Load() > 0 {
		sending.Lock()
		until(t, "all that was sent has come", func() bool {
			store.mu.Lock()
			defer store.mu.Unlock()
			return store.came == int64(u.fetcherAt(fetcher.addr).stats.Fetches.Load())
		})
		for range 3 {
			name := fmt.Sprintf("e%d/%d", rand.IntN(entities), rand.IntN(names))
			store.mu.Lock()
			store.versions[name]++
			last[name] = [2]int64{tick.Add(1), store.versions[name]}
			store.mu.Unlock()
		}
		tick.Add(1)
		sending.Unlock()
		time.Sleep(time.Millisecond) // or the readers would hardly come to read
	}
	readers.Wait()
	u.Close()
	if n := listed(&u.flights); n != 0 || u.Joined.Load() == 0 {
		t.Errorf("%d are still listed, %d joined", n, u.Joined.Load())
	}
	t.Logf("%d joined, %d fetches", u.Joined.Load(), store.came)
}

// checkVersions wants the values of the fields that a asked for, each of a version
// or later.
func checkVersions(t *testing.T, a *asker, least []int64) {
	words := strings.Fields(a.want)
	got := a.wait(t)
	values := strings.Split(got.reply, "\r\n")
	if got.err != nil || len(values) != 2*len(least)+2 {
		t.Errorf("%q was told %+v", a.want, got)
		return
	}
	for j, version := range least {
		name, v, _ := cutLast(values[2*j+2], "/")
		if name != words[0]+"/"+words[j+1] {
			t.Errorf("%q was told %q for %s", a.want, name, words[j+1])
		}
		var n int64
		if _, err := fmt.Sscan(v, &n); err != nil || n < version {
			t.Errorf("%q was told version %s of %s, want %d or later", a.want, v, name, version)
		}
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
