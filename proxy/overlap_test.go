package proxy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/feature"
)

// Clients that ask for overlapping fields of an entity at one time have each field
// fetched once, in whatever order and version of the protocol they ask; and all of
// it is in memory afterwards.
func TestReadsThatOverlapFetchEachFieldOnce(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	first, subset, overlapping, single := s.dial(), s.dial(), s.dial(), s.dial()
	if reply := subset.helloReply("3"); !strings.HasPrefix(reply, "%") {
		t.Fatalf("HELLO 3 is answered %q", reply)
	}
	first.send(cmd("HMGET e a b c"))
	all := store.wants("HMGET e a b c")
	subset.send(cmd("HMGET e c b"))
	await(t, "the subset is waited for", func() bool { return s.up.Joined.Load() == 1 })
	overlapping.send(cmd("HMGET e d b e a"))
	rest := store.wants("HMGET e d e")
	single.send(cmd("HGET e e"))
	await(t, "the field is waited for", func() bool { return s.up.Joined.Load() == 3 })

	all.reply(array("A", "-", "C"))
	first.wants(array("A", "-", "C"))
	subset.wants("*2\r\n" + bulk("C") + "_\r\n")
	overlapping.wantsSilence(20 * time.Millisecond)
	rest.reply(array("D", "E"))
	overlapping.wants(array("D", "-", "E", "A"))
	single.wants(bulk("E"))
	for range 2 {
		first.wantsDone("HMGET e a b c d e", array("A", "-", "C", "D", "E"))
		subset.wantsDone("HMGET e e d c b a", "*5\r\n"+bulk("E")+bulk("D")+bulk("C")+"_\r\n"+bulk("A"))
	}
	if n := store.asked("HMGET"); n != 2 {
		t.Fatalf("the store was asked %d times, want 2", n)
	}
}

// H2, by field: what a marker means is asked for anew, and nothing else that is on
// its way. The old value is not kept.
func TestAfterAMarkerOnlyWhatItMeansIsFetchedAgain(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	before, after := s.dial(), s.dial()
	before.send(cmd("HMGET e a b"))
	old := store.wants("HMGET e a b")
	s.cache.Mark(cover("a"))
	time.Sleep(3 * cache.TickLength) // or the reader's fetch would be of the marker's tick, and not kept
	after.send(cmd("HMGET e b a"))
	anew := store.wants("HMGET e a")
	old.reply(array("A", "B"))
	before.wants(array("A", "B"))
	anew.reply(array("A2"))
	after.wants(array("B", "A2"))
	before.wantsDone("HMGET e a b", array("A2", "B"))
	if n := store.asked("HMGET"); n != 2 {
		t.Fatalf("the store was asked %d times, want 2", n)
	}
}

// A listener that decodes joins what another fetches as stored, and decodes it.
func TestAReadThatDecodesJoinsOneThatDoesNot(t *testing.T) {
	catalogue, err := feature.Parse("features.yaml", []byte(catalogueText))
	if err != nil {
		t.Fatal(err)
	}
	store := newFakeStore(t)
	other := decoded.Listener(listen(t))
	s := newStack(t, store.addr, func(set *setup) {
		set.others = append(set.others, other)
		set.cache.Decodes = true
		set.cache.Policy = func(field string) cache.Policy {
			return cache.Policy{MaxAge: time.Hour, NegativeMaxAge: time.Hour, Keep: true, Definition: catalogue.Lookup(field)}
		}
		set.proxy.Catalogue = func() *feature.Catalogue { return catalogue }
	})
	stored, decoding := s.dial(), dial(t, other.Addr().String())
	stored.send(cmd("HMGET e eta orders"))
	lead := store.wants("HMGET e eta orders")
	decoding.send(cmd("HMGET e orders zone eta"))
	rest := store.wants("HMGET e zone")
	lead.reply(array("0.50", "-"))
	stored.wants(array("0.50", "-"))
	rest.reply(array("z"))
	decoding.wants(array("-", "z", "0.5"))
	for range 2 {
		stored.wantsDone("HMGET e eta orders zone", array("0.50", "-", "z"))
		decoding.wantsDone("HMGET e eta orders zone", array("0.5", "-", "z"))
	}
	if n := store.asked("HMGET"); n != 2 {
		t.Fatalf("the store was asked %d times, want 2", n)
	}
}

// Where a part fails the command does, as a whole, in the words of that part; what
// the other part brought is kept.
func TestAReadFailsWithWhatItJoined(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	first, overlapping := s.dial(), s.dial()
	first.send(cmd("HMGET e a b"))
	lead := store.wants("HMGET e a b")
	overlapping.send(cmd("HMGET e b c"))
	rest := store.wants("HMGET e c")
	lead.reply("-ERR broken\r\n")
	first.wants("-ERR broken\r\n")
	rest.reply(array("C"))
	overlapping.wants("-ERR broken\r\n")
	first.wantsDone("HMGET e c", array("C"))
	first.send(cmd("HMGET e a c"))
	store.wants("HMGET e a").reply(array("A"))
	first.wants(array("A", "C"))
}

// Fetches that nobody waits for join others as well, and keep what they bring
// themselves at once.
func TestARefreshAsksOnlyForWhatIsNotOnItsWay(t *testing.T) {
	s, store, p, e := due(t, "f", "g")
	reader := s.dial()
	reader.send(cmd("HMGET " + e + " h f"))
	lead := store.wants("HMGET " + e + " h f")
	refresh, _ := store.refreshOf(p, e)
	if got := refresh.String(); got != "HMGET "+e+" g" {
		t.Errorf("the refresh is %q", got)
	}
	lead.reply(array("H", "F2"))
	refresh.reply(array("G2"))
	reader.wants(array("H", "F2"))
	await(t, "all is fresh", func() bool { return p.do("HMGET "+e+" f g h") == array("F2", "G2", "H") })
}

func TestWarmingAsksOnlyForWhatIsNotOnItsWay(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	p := s.dial()
	p.send(cmd("HMGET e a b"))
	lead := store.wants("HMGET e a b")
	done := make(chan bool, 1)
	s.server.Warm(cache.View{}, []byte("e"), [][]byte{[]byte("c"), []byte("b")}, func(failed bool) { done <- failed })
	rest := store.wants("HMGET e c")
	lead.reply(array("A", "B"))
	rest.reply(array("C"))
	select {
	case failed := <-done:
		if failed {
			t.Error("it failed")
		}
	case <-time.After(patience):
		t.Fatal("it is never done")
	}
	p.wants(array("A", "B"))
	p.wantsDone("HMGET e a b c", array("A", "B", "C"))
	if n := store.asked("HMGET"); n != 2 {
		t.Fatalf("the store was asked %d times, want 2", n)
	}
}
