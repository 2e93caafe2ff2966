//go:build e2e

package e2e

import "testing"

// A pool takes a connection back after pub/sub (redigo, Jedis), so that what
// follows on it has to be seen, and kept, as on any other.

func TestWriteAfterPubSubIsSeenByOtherConnections(t *testing.T) {
	p := startProxy(t, "auto", startStore(t).addr)
	p.waitForStore(t)
	for _, protocol := range []string{"2", "3"} {
		t.Run("RESP"+protocol, func(t *testing.T) {
			key := "st_" + protocol
			reader, writer := dialWire(t, p.addr), dialWire(t, p.addr)
			writer.do(t, "HELLO", protocol)
			writer.do(t, "HSET", key, "a", "1")
			reader.do(t, "HMGET", key, "a")
			writer.do(t, "SUBSCRIBE", "news")
			writer.do(t, "UNSUBSCRIBE", "news")
			writer.do(t, "HSET", key, "a", "2")
			if got, want := reader.do(t, "HMGET", key, "a"), bulks("2"); got != want {
				t.Errorf("after HSET by a connection that had subscribed before, another reads %q, want %q", got, want)
			}
		})
	}
}

func TestReadsAfterPubSubComeFromMemory(t *testing.T) {
	s := startStore(t)
	s.load(t, clientHashes())
	p := startProxy(t, "auto", s.addr)
	p.waitForStore(t)
	w := dialWire(t, p.addr)
	w.do(t, "SUBSCRIBE", "news")
	w.do(t, "UNSUBSCRIBE", "news")
	before := p.fields(t)
	const rounds = 3
	fields := 0
	for range rounds {
		for _, r := range clientReads() {
			fields += len(r.fields)
			w.do(t, append([]string{"HMGET", r.key}, r.fields...)...)
		}
	}
	if counts := p.fields(t).since(before); counts.fromMemory() < fields*(rounds-1)/rounds {
		t.Errorf("of %d fields, %d came from memory: %v", fields, counts.fromMemory(), counts)
	}
}
