//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// startPeer starts a proxy that keeps no file and asks the peers what is hot.
func (s *warmStore) startPeer(t *testing.T, options string, peers ...*proxy) *proxy {
	t.Helper()
	list := ""
	for _, p := range peers {
		list += fmt.Sprintf("%q,", p.admin)
	}
	return startConfiguredProxy(t, fmt.Sprintf(`upstream: {addresses: [%q], discovery: standalone, fetch_timeout: 2s}
warm: {peers: [%s]%s}
invalidation:
  markers: [{key: "fs:markers", interval: 100ms, settle: %s, max_silence: 20s}]
`, s.addr, list, options, shortSettle))
}

// A new process fetches what another's clients ask for, each entity with its
// projection, and is ready when that is there.
func TestANewProcessIsWarmedByAPeer(t *testing.T) {
	s := startWarmStore(t)
	first := s.start(t)
	s.fill(t, first, "old")
	s.set(t, "new") // the peer's rows are old, and are not what is taken over
	p := s.startPeer(t, ", readiness: 1m", s.startPeer(t, ""), first)
	if n := s.readAll(t, p, "new"); n < 2*warmEntities*9/10 {
		t.Errorf("%d of %d fields came from memory when the process was ready", n, 2*warmEntities)
	}
}

// Peers that are away, or are this process itself, cost nothing but a line of log.
func TestAPeerThatIsAwayIsNoTrouble(t *testing.T) {
	s := startWarmStore(t)
	gone := s.startPeer(t, "")
	gone.end(t)
	p := s.startPeer(t, ", readiness: 1m", gone)
	p.awaitLog(t, "no peer told what is asked for")
	s.readAll(t, p, "old")
}

// Whoever follows a peer has in memory what the peer's clients ask for meanwhile.
func TestReadsOfAPeerAreFollowed(t *testing.T) {
	s := startWarmStore(t)
	first := s.start(t)
	s.fill(t, first, "old")
	p := s.startPeer(t, ", follow: 10m", first)
	source{p, "fs:markers"}.await(t, "trusted")
	s.load(t, map[string]hash{"late": {"a": "1", "b": "2"}})
	theirs, ours := dialWire(t, first.addr), dialWire(t, p.addr)
	eventually(t, "what a client of the peer asks for being in memory here", func() error {
		theirs.do(t, "HMGET", "late", "a", "b")
		time.Sleep(100 * time.Millisecond)
		before := p.fields(t)
		if got := ours.do(t, "HMGET", "late", "a"); got != bulks("1") {
			t.Fatalf("answered %q", got)
		}
		if n := waitForFields(t, p, before, 1).fromMemory(); n != 1 {
			s.drop(t, p) // it is in memory now because we asked
			return errNotCached
		}
		return nil
	})
}

// drop empties a proxy's memory.
func (s *warmStore) drop(t *testing.T, p *proxy) {
	t.Helper()
	resp, err := adminClient.Post("http://"+p.admin+"/api/v1/flush", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
}

// A snapshot whose rows prove nothing still tells what to fetch.
func TestASnapshotOfNoUseTellsWhatToFetch(t *testing.T) {
	s := startWarmStore(t)
	p := s.start(t)
	s.fill(t, p, "old")
	p.end(t)
	s.set(t, "new")
	s.more = "cache: {write_settle: 1500ms}\n" // other settings: the rows are foreign
	p = s.start(t)
	p.awaitLog(t, "fetched what was held before")
	if n := s.readAll(t, p, "new"); n < 2*warmEntities*9/10 {
		t.Errorf("%d of %d fields came from memory", n, 2*warmEntities)
	}
	if _, err := os.Stat(s.file + ".bad"); err != nil {
		t.Error(err)
	}
}
