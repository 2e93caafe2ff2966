//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

func TestStandaloneReadsEqualTheStoreAndRepeatFromMemory(t *testing.T) {
	for _, discovery := range []string{"auto", "standalone"} {
		t.Run(discovery, func(t *testing.T) {
			s := startStore(t)
			hashes := readers.hashes()
			s.load(t, hashes)
			p := startProxy(t, discovery, s.addr)
			checkReads(t, p, readers, hashes, func() int { return s.reads(t) })
		})
	}
}

// errors of a read are the store's own, never cached, and leave the connection
// open.
func TestErrorsOfReadsAreTheStoresAndAreNotCached(t *testing.T) {
	s := startStore(t)
	p := startProxy(t, "standalone", s.addr)
	through, direct := dialWire(t, p.addr), dialWire(t, s.addr)

	direct.do(t, "SET", "st_1", "text")
	for _, command := range [][]string{
		{"HMGET", "st_1", "a", "b"},
		{"HGET", "st_1", "a"},
		{"HMGET", "st_1"},
		{"HMGET"},
		{"HGET", "st_1"},
		{"HGET", "st_1", "a", "b"},
		{"NOSUCHCOMMAND", "st_1", "a"},
	} {
		if got, want := through.do(t, command...), direct.do(t, command...); got != want {
			t.Errorf("%v: answered %q, the store says %q", command, got, want)
		}
	}

	// Behind the proxy's back, so that only a fetch can find it.
	direct.do(t, "DEL", "st_1")
	direct.do(t, "HSET", "st_1", "a", "1")
	if got, want := through.do(t, "HMGET", "st_1", "a", "b"), bulks("1", ""); got != want {
		t.Errorf("after the error was mended: answered %q, want %q", got, want)
	}
}

// Replies come in the order of the requests, whichever of memory, fetch,
// local answer and tunnel each came from.
func TestRepliesKeepTheOrderOfRequestsAcrossAllPaths(t *testing.T) {
	s := startStore(t)
	p := startProxy(t, "standalone", s.addr)
	direct := dialWire(t, s.addr)
	direct.do(t, "HSET", "hit", "a", "1")
	direct.do(t, "HSET", "miss", "a", "2")
	w := dialWire(t, p.addr)
	w.do(t, "HMGET", "hit", "a")

	got := w.mustPipeline(t,
		[]string{"HMGET", "hit", "a"},
		[]string{"ECHO", "one"},
		[]string{"HMGET", "miss", "a"},
		[]string{"HMGET", "hit", "a"},
		[]string{"HLEN", "hit"},
		[]string{"HGET", "miss", "a"},
		[]string{"PING"},
		[]string{"NOSUCHCOMMAND"},
		[]string{"HMGET", "hit", "a"},
	)
	want := []string{bulks("1"), "$3\r\none\r\n", bulks("2"), bulks("1"), ":1\r\n", "$1\r\n2\r\n", "+PONG\r\n", "-ERR unknown command", bulks("1")}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("reply %d is %q, want %q", i+1, got[i], want[i])
		}
	}
}
