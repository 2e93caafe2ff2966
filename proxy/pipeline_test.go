package proxy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The reader goes on while a miss is in flight: the second request reaches the
// store before the first is answered, and their replies keep their order even
// if the store's do not come in it.
func TestReaderGoesOnWhileAMissIsInFlight(t *testing.T) {
	store := newFakeStore(t)
	p := newStack(t, store.addr).dial()
	p.send(cmd("HMGET a f"))
	first := store.wants("HMGET a f")
	p.send(cmd("HMGET b f"))
	second := store.wants("HMGET b f")
	p.send(cmd("ECHO local") + cmd("GET tunnelled"))
	tunnelled := store.wants("GET tunnelled")
	tunnelled.reply(bulk("T"))
	first.reply(array("A") + array("B"))
	if second.nc != first.nc {
		t.Fatal("the two fetches went over different connections")
	}
	p.wants(array("A"), array("B"), bulk("local"), bulk("T"))
}

// A hit behind a miss waits for it; one on another connection does not.
func TestHitWaitsOnlyBehindMissesOfItsConnection(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	p, other := s.dial(), s.dial()
	p.send(cmd("HMGET warm f"))
	store.wants("HMGET warm f").reply(array("W"))
	p.wants(array("W"))
	p.send(cmd("HMGET cold f") + cmd("HMGET warm f"))
	miss := store.wants("HMGET cold f")
	other.wantsDone("HMGET warm f", array("W"))
	p.wantsSilence(20 * time.Millisecond)
	miss.reply(array("C"))
	p.wants(array("C"), array("W"))
	if s.hits() != 2 {
		t.Fatalf("%d hits, want 2", s.hits())
	}
}

// All misses of one read leave in one write.
func TestMissesOfOnePipelineLeaveTogether(t *testing.T) {
	store := newFakeStore(t)
	p := newStack(t, store.addr).dial()
	p.send(cmd("HMGET warm f"))
	store.wants("HMGET warm f").reply(array("W"))
	p.wants(array("W"))

	var all strings.Builder
	const misses = 20
	for i := range misses {
		all.WriteString(cmd(fmt.Sprintf("HMGET e%d f", i)))
		all.WriteString(cmd("HMGET warm f"))
	}
	p.send(all.String())
	reads := map[string]bool{}
	var replies strings.Builder
	var last *fakeRequest
	for i := range misses {
		last = store.wants(fmt.Sprintf("HMGET e%d f", i))
		reads[last.read] = true
		replies.WriteString(array(fmt.Sprint("v", i)))
	}
	// TCP promises nothing about pieces, but one write of 700 bytes over an idle
	// loopback connection comes in one.
	if len(reads) != 1 {
		t.Errorf("%d misses of one pipeline came in %d pieces", misses, len(reads))
	}
	last.reply(replies.String())
	for i := range misses {
		p.wants(array(fmt.Sprint("v", i)), array("W"))
	}
}

// Only what is missing is fetched, and the reply is put together in the order
// asked.
func TestOnlyMissingFieldsAreFetched(t *testing.T) {
	store := newFakeStore(t)
	p := newStack(t, store.addr).dial()
	p.send(cmd("HMGET e b d"))
	store.wants("HMGET e b d").reply(array("B", "-"))
	p.wants(array("B", "-"))
	p.send(cmd("HMGET e a b c d b"))
	store.wants("HMGET e a c").reply(array("A", "-"))
	p.wants(array("A", "B", "-", "-", "B"))
	p.wantsDone("HGET e c", "$-1\r\n")
	p.wantsDone("HGET e a", bulk("A"))
	if n := store.asked("HMGET"); n != 2 {
		t.Fatalf("the store was asked %d times, want 2", n)
	}
}

// The same request of many clients is one fetch, and each gets the reply.
func TestSameRequestOfManyClientsIsOneFetch(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	peers := make([]*peer, 20)
	peers[0] = s.dial()
	peers[0].send(cmd("HMGET e f g"))
	fetch := store.wants("HMGET e f g")
	for i := range peers[1:] {
		peers[i+1] = s.dial()
		peers[i+1].send(cmd("HMGET e f g"))
	}
	await(t, "all wait for the one fetch", func() bool { return s.up.Joined.Load() == uint64(len(peers)-1) })
	fetch.reply(array("F", "G"))
	for _, p := range peers {
		p.wants(array("F", "G"))
	}
	peers[0].wantsDone("HMGET e f g", array("F", "G"))
	if n := store.asked("HMGET"); n != 1 {
		t.Fatalf("%d fetches for one request, want 1", n)
	}
}

// A reader that comes after an invalidation does not join a fetch that began
// before it, and what that fetch brings is not kept.
func TestReaderAfterAnInvalidationJoinsNoOlderFetch(t *testing.T) {
	store := newFakeStore(t)
	s := newStack(t, store.addr)
	early, writer, late := s.dial(), s.dial(), s.dial()
	early.send(cmd("HMGET e f"))
	old := store.wants("HMGET e f")
	writer.send(cmd("HSET e f new"))
	store.wants("HSET e f new").reply(":0\r\n")
	writer.wants(":0\r\n")
	settle()
	late.send(cmd("HMGET e f"))
	fresh := store.wants("HMGET e f")
	old.reply(array("old"))
	early.wants(array("old"))
	fresh.reply(array("new"))
	late.wants(array("new"))
	early.wantsDone("HMGET e f", array("new"))
	if n := store.asked("HMGET"); n != 2 {
		t.Fatalf("%d fetches, want 2", n)
	}
}
