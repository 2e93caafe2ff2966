package cluster

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// held answers the reads with "old", "new" and "newest", each when it is let go.
func held(fetcher *fake) (letGo [3]chan struct{}) {
	for i := range letGo {
		letGo[i] = make(chan struct{})
	}
	var n atomic.Int32
	fetcher.will(func(p *peer, _ [][]byte) bool {
		i := n.Add(1) - 1
		select {
		case <-letGo[i]:
		case <-p.ended:
			return false
		}
		return p.say("*1\r\n" + bulk([]string{"old", "new", "newest"}[i]))
	})
	return letGo
}

// H2: thread 1 begins a fetch; an invalidation comes; thread 2 asks for the same;
// thread 3 too. Threads 2 and 3 must see what was read after the invalidation.
func TestReaderAfterAnInvalidationJoinsNoEarlierFetch(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	letGo := held(fetcher)
	u := upstreamOf(t, nil, fetcher)
	const invalidated = 15

	first, second, third, fourth := ask("k"), ask("k"), ask("k"), ask("k")
	first.fetch.Began = 10
	second.fetch.Began, second.fetch.After = 20, allAt(1, invalidated)
	third.fetch.Began, third.fetch.After = 21, allAt(1, invalidated)
	fourth.fetch.Began, fourth.fetch.After = 22, allAt(1, 20) // the second's tick: equal ticks count as stale
	send(u, first)
	until(t, "the first fetch is under way", func() bool { return fetcher.reads.Load() == 1 })
	send(u, second)
	close(letGo[0])
	if got := first.wait(t); got.reply != "*1\r\n"+bulk("old") || got.joined {
		t.Fatalf("thread 1 was told %+v", got)
	}
	send(u, third) // the first has landed; the second may still be joined
	send(u, fourth)
	close(letGo[1])
	close(letGo[2])
	for i, a := range []*asker{second, third, fourth} {
		want := []string{"new", "new", "newest"}[i]
		if got := a.wait(t); got.reply != "*1\r\n"+bulk(want) || got.joined != (a == third) {
			t.Fatalf("thread %d was told %+v, want %q", i+2, got, want)
		}
	}
	if n := u.Joined.Load(); n != 1 {
		t.Fatalf("%d joined, want the third alone", n)
	}
}

func TestReaderJoinsAFetchBegunAfterTheInvalidation(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	letGo := held(fetcher)
	u := upstreamOf(t, nil, fetcher)
	lead := ask("k")
	lead.fetch.Began = 10
	send(u, lead)
	until(t, "the fetch is under way", func() bool { return fetcher.reads.Load() == 1 })
	joiners := make([]*asker, 50)
	for i := range joiners {
		joiners[i] = ask("k")
		joiners[i].fetch.Began, joiners[i].fetch.After = 11, allAt(1, 9)
	}
	send(u, joiners...)
	other := ask("k", "2") // other features of the same entity are another fetch
	other.fetch.Began = 11
	send(u, other)
	for _, c := range letGo {
		close(c)
	}
	lead.wait(t)
	for _, j := range joiners {
		if got := j.wait(t); got.err != nil || !got.joined || got.reply != "*1\r\n"+bulk("old") {
			t.Fatalf("a joiner was told %+v", got)
		}
	}
	if got := other.wait(t); got.joined {
		t.Fatal("a fetch of other features was joined")
	}
	if n := fetcher.reads.Load(); n != 2 {
		t.Fatalf("the fetcher was asked %d times, want 2", n)
	}
}

func TestJoinersGetTheRealError(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	fetcher.will(hang)
	u := upstreamOf(t, nil, fetcher)
	askers := []*asker{ask("k"), ask("k"), ask("k")}
	send(u, askers...)
	until(t, "the fetch is under way", func() bool { return fetcher.reads.Load() == 1 })
	fetcher.stop()
	lead := askers[0].mustFail(t, fetcher.addr)
	for _, j := range askers[1:] {
		if got := j.wait(t); !got.joined || got.err == nil || got.err.Error() != lead.err.Error() {
			t.Fatalf("a joiner was told %+v, its leader %v", got, lead.err)
		}
	}
}

// H22: a joiner has its own deadline: when the fetch that it joined is given up, it
// has time left, and is asked for anew.
func TestJoinerOutlivesItsLeadersDeadline(t *testing.T) {
	inParallel(t)
	fetcher, other := startFake(t), startFake(t)
	hangFirst(fetcher, other)
	u := upstreamOf(t, func(c *Config) { c.FetchTimeout = 600 * time.Millisecond }, fetcher, other)
	u.fetcherAt(other.addr).aside.Store(1) // or else it would be asked before the time is up
	lead, joiner := ask("k"), ask("k")
	send(u, lead)
	time.Sleep(u.cfg().FetchTimeout / 2)
	send(u, joiner)
	lead.mustFail(t, "no answer")
	if got := joiner.wait(t); got.err != nil || got.reply != joiner.want {
		t.Fatalf("the joiner was told %+v", got)
	}
}

// hangFirst lets the first read hang and answers the others.
func hangFirst(fakes ...*fake) {
	var n atomic.Int32
	for _, f := range fakes {
		f.will(func(p *peer, args [][]byte) bool {
			if n.Add(1) == 1 {
				return hang(p, args)
			}
			return echo(p, args)
		})
	}
}

type countingFlusher struct{ n atomic.Int32 }

func (c *countingFlusher) Flush() { c.n.Add(1) }

// A batch's replies that come together are flushed together.
func TestRepliesThatComeTogetherAreFlushedOnce(t *testing.T) {
	noLeaks(t)
	fetcher := startFake(t)
	const many = 32
	var n int
	var all string
	fetcher.will(func(p *peer, args [][]byte) bool {
		all += echoed("HMGET", string(args[1]), string(args[2]))
		if n++; n < many {
			return true
		}
		return p.say(all)
	})
	u := upstreamOf(t, nil, fetcher)
	flusher := new(countingFlusher)
	askers := make([]*asker, many)
	for i := range askers {
		askers[i] = ask(fmt.Sprint("k", i))
		askers[i].flusher = flusher
	}
	send(u, askers...)
	for _, a := range askers {
		a.mustAnswer(t)
	}
	until(t, "the replies are flushed", func() bool { return flusher.n.Load() > 0 })
	u.Close()
	if n := flusher.n.Load(); n > 3 {
		t.Fatalf("%d flushes for replies that came in one write", n)
	}
}
