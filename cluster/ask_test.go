package cluster

import (
	"errors"
	"testing"
)

func TestAskAnswersWithTheFetchersReplyAndItsName(t *testing.T) {
	f := startFake(t)
	up := upstreamOf(t, nil, f)
	reply, from, err := up.Ask(t.Context(), "", 0, "HMGET", "e", "a")
	if err != nil || from != f.addr || len(reply) == 0 {
		t.Fatalf("%q from %q: %v", reply, from, err)
	}
	if _, again, err := up.Ask(t.Context(), from, 0, "HMGET", "e", "b"); err != nil || again != from {
		t.Fatalf("asked %s alone, %q answered: %v", from, again, err)
	}
}

func TestAskingOneFetcherIsNotAnsweredByAnother(t *testing.T) {
	one, other := startFake(t), startFake(t)
	up := upstreamOf(t, nil, one, other)
	one.stop()
	for range 5 {
		if _, from, err := up.Ask(t.Context(), one.addr, 0, "HMGET", "e", "a"); err == nil {
			t.Fatalf("%s is down, %s answered", one.addr, from)
		}
	}
	if _, _, err := up.Ask(t.Context(), "192.0.2.1:1", 0, "HMGET", "e", "a"); !errors.Is(err, errLeft) {
		t.Fatalf("a fetcher that is none: %v", err)
	}
}
