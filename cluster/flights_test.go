package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

// hmget is a fetch for tests of flights alone.
func hmget(entity string, began int64, after []int64, fields ...string) *Fetch {
	return &Fetch{
		Entity: []byte(entity), Request: resp.AppendCommand(nil, append([]string{"HMGET", entity}, fields...)...),
		Began: began, After: after, Owner: ask(entity, fields...),
	}
}

// asks is what a fetch asks for, in words.
func asks(f *Fetch) string {
	if f == nil {
		return ""
	}
	fs := readFields(f.Request)
	defer fs.release()
	var all []string
	for i := range fs.len() {
		_, field, _ := strings.Cut(string(fs.at(i)), "\r\n")
		all = append(all, strings.TrimSpace(field))
	}
	return strings.Join(all, " ")
}

// What is in flight is found by field: in any order, by a part of them, in one
// fetch or in several. Of the others a fetch is made, and only of them.
func TestOnlyWhatIsNotInFlightIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		inFlight []string
		asked    string
		leaves   string
	}{
		{nil, "a b", "a b"},
		{[]string{"a b c"}, "a b c", ""},
		{[]string{"a b c"}, "c a b", ""},
		{[]string{"a b c"}, "b", ""},
		{[]string{"a b c"}, "c a c", ""},
		{[]string{"a b", "c d"}, "d a", ""},
		{[]string{"a", "b", "c"}, "c b a", ""},
		{[]string{"a b"}, "b c a d", "c d"},
		{[]string{"a b", "c"}, "x a y c z", "x y z"},
		{[]string{"a b"}, "c c", "c c"},
		{[]string{"a"}, "aa", "aa"},
		{[]string{"a b"}, "", ""}, // no field at all: it goes alone
	} {
		var fl flights
		for _, fields := range c.inFlight {
			fl.board(hmget("k", 1, nil, strings.Fields(fields)...), 0)
		}
		f := hmget("k", 2, nil, strings.Fields(c.asked)...)
		leaves, joined := fl.board(f, 0)
		if c.asked == "" {
			if leaves != f || joined || f.leads {
				t.Error("what asks for nothing does not go alone")
			}
			continue
		}
		if asks(leaves) != c.leaves || joined != (c.asked != c.leaves) || (leaves == f) == joined {
			t.Errorf("%q in flight, %q asked for: %q is sent, want %q; joined: %v", c.inFlight, c.asked, asks(leaves), c.leaves, joined)
		}
	}
}

// H2, by field: only what began later than the last invalidation of a field may
// answer for it.
func TestAnInvalidationKeepsOnlyWhatItMeantFromBeingJoined(t *testing.T) {
	var fl flights
	fl.board(hmget("k", 10, nil, "a", "b", "c"), 0)
	rest, joined := fl.board(hmget("k", 20, []int64{0, 15, 10}, "a", "b", "c"), 0) // equal ticks count as stale
	if asks(rest) != "b c" || !joined {
		t.Fatalf("%q is sent, want b and c", asks(rest))
	}
	if !slices.Equal(rest.After, []int64{15, 10}) || rest.Began != 20 {
		t.Fatalf("the fetch of the rest has the ticks %d, %d", rest.Began, rest.After)
	}
	if rest, _ := fl.board(hmget("k", 21, []int64{15, 10, 9}, "b", "c", "a"), 0); rest != nil {
		t.Fatalf("%q is sent, and all of it is in flight", asks(rest))
	}
	if rest, _ := fl.board(hmget("k", 22, []int64{20, 10, 9}, "b", "c", "a"), 0); asks(rest) != "b" {
		t.Fatalf("%q is sent, want b", asks(rest))
	}
}

// Nothing waits for a fetch whose time ends after its own.
func TestNothingIsJoinedThatMayEndLaterThanOnesOwnTime(t *testing.T) {
	var fl flights
	now := time.Now()
	lead := hmget("k", 1, nil, "a", "b")
	lead.deadline = now.Add(2 * time.Second)
	fl.board(lead, 0)
	for _, fields := range [][]string{{"a", "b"}, {"b"}, {"b", "c"}} {
		f := hmget("k", 2, nil, fields...)
		f.deadline = now.Add(time.Second)
		if leaves, joined := fl.board(f, time.Millisecond); joined || leaves != f {
			t.Fatalf("%q joined", fields)
		}
		fl.land(f)
		if leaves, joined := fl.board(f, time.Second); !joined || leaves == f {
			t.Fatalf("%q did not join what ends in time", fields)
		}
		fl.land(lead)
		fl.board(lead, 0)
	}
}

// Two entities of one hash are two entities.
func TestEntitiesOfOneHashAreNotMixedUp(t *testing.T) {
	var fl flights
	f := hmget("one", 1, nil, "a", "b")
	fl.board(f, 0)
	hash := f.hash
	fl.land(f)
	other := hmget("two", 2, nil, "a", "b")
	other.hash = hash // as if it were the same
	fl[hash%flightShards].list(other)
	for _, fields := range [][]string{{"a", "b"}, {"b"}, {"b", "c"}} {
		f := hmget("one", 3, nil, fields...)
		if _, joined := fl.board(f, 0); joined {
			t.Fatalf("%q of one entity joined a fetch of another", fields)
		}
		fl.land(f)
	}
	if joiners := fl.land(other); len(joiners) != 0 {
		t.Fatalf("%d joined the other", len(joiners))
	}
}

// Whatever boards and lands in whatever order, those that lead are listed and no
// others.
func TestFlightsForgetWhatLanded(t *testing.T) {
	var fl flights
	random := rand.New(rand.NewPCG(1, 2))
	var leading []*Fetch
	for i := range 5000 {
		if i >= 4000 || len(leading) > 20 {
			if len(leading) == 0 {
				break
			}
			at := random.IntN(len(leading))
			fl.land(leading[at])
			leading = slices.Delete(leading, at, at+1)
		} else {
			fields := make([]string, 1+random.IntN(3))
			for j := range fields {
				fields[j] = fmt.Sprint(random.IntN(9))
			}
			f := hmget(fmt.Sprint(random.IntN(3)), int64(i), allAt(len(fields), int64(random.IntN(i+1))), fields...)
			if leaves, _ := fl.board(f, 0); leaves != nil {
				leading = append(leading, leaves)
			}
		}
		if listed := listed(&fl); listed != len(leading) {
			t.Fatalf("%d are listed, and %d lead", listed, len(leading))
		}
	}
	for i := range fl {
		if n := len(fl[i].newest); n != 0 {
			t.Fatalf("%d entities are still listed", n)
		}
	}
}

// BenchmarkBoard is what it costs to look for what is in flight, and to land, for
// 50 fields of an entity of which a fetch of 50 fields is in flight or none is.
func BenchmarkBoard(b *testing.B) {
	names := func(from, to int) (all []string) {
		for i := from; i < to; i++ {
			all = append(all, fmt.Sprint(2_496_559_700+i))
		}
		return all
	}
	reversed := names(0, 50)
	slices.Reverse(reversed)
	for _, c := range []struct {
		name   string
		fields []string
	}{
		{"none", nil}, {"same", names(0, 50)}, {"reversed", reversed}, {"half", names(25, 75)}, {"others", names(50, 100)},
	} {
		b.Run("in-flight="+c.name, func(b *testing.B) {
			var fl flights
			f, lead := hmget("k", 2, make([]int64, 50), names(0, 50)...), (*Fetch)(nil)
			if c.fields != nil {
				lead = hmget("k", 1, nil, c.fields...)
				fl.board(lead, 0)
			}
			b.ReportAllocs()
			for b.Loop() {
				if leaves, _ := fl.board(f, 0); leaves != nil {
					fl.land(leaves)
				}
				if lead != nil {
					lead.joiners = lead.joiners[:0]
				}
			}
		})
	}
}

func listed(fl *flights) (n int) {
	for i := range fl {
		fl[i].mu.Lock()
		for _, f := range fl[i].newest {
			for ; f != nil; f = f.next {
				n++
			}
		}
		fl[i].mu.Unlock()
	}
	return n
}

// A joiner that asks for less than the lead is told nothing that is made of a
// reply of another length.
func TestAReplyOfAnotherLengthIsNotGivenOutInParts(t *testing.T) {
	noLeaks(t)
	for _, reply := range []string{"*2\r\n" + bulk("1") + bulk("2"), "+OK\r\n", "*-1\r\n", ":3\r\n"} {
		fetcher := startFake(t)
		fetcher.will(says(reply))
		u := upstreamOf(t, nil, fetcher)
		lead, same, fewer, more := ask("k", "a", "b", "c"), ask("k", "a", "b", "c"), ask("k", "c", "a"), ask("k", "a", "d")
		send(u, lead, same, fewer, more)
		for _, a := range []*asker{lead, same} {
			if got := a.wait(t); got.reply != reply || got.err != nil {
				t.Errorf("it was told %+v, want what the store said", got)
			}
		}
		for _, a := range []*asker{fewer, more} {
			if got := a.wait(t); !errors.Is(got.err, errLength) {
				t.Errorf("%q makes %+v", reply, got)
			}
		}
	}
}
