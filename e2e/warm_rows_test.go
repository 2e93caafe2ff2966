//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// What the log says of a peer's rows.
const (
	tookPeers = "took over the rows of a peer"
	noPeers   = "no peer gives its rows"
	fetched   = "fetched what a peer's clients ask for"
)

// rowsToken is the token of all processes that give rows here.
const rowsToken = "a token of all these processes"

// startRows starts a proxy that gives its rows and takes those of peers, by their
// admin addresses; options are further ones of warm, each with a comma before it.
func (s *warmStore) startRows(t *testing.T, options string, peers ...string) *proxy {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(rowsToken), 0o600); err != nil {
		t.Fatal(err)
	}
	return configuredProxy(t, fmt.Sprintf(`upstream: {addresses: [%q], discovery: standalone, fetch_timeout: 2s}
warm: {rows: true, peers: [%s]%s}
invalidation:
  markers: [{key: "fs:markers", interval: 100ms, settle: %s, max_silence: 20s}]
%s%s`, s.addr, strings.Join(peers, ","), options, shortSettle, s.extra, s.more), "FSPROXY_ADMIN_TOKEN_FILE="+token)
}

// startGiving starts a proxy that gives its rows, and fills it.
func (s *warmStore) startGiving(t *testing.T, value string) *proxy {
	t.Helper()
	p := s.startRows(t, "")
	p.waitReady(t)
	s.fill(t, p, value)
	return p
}

// outcome is what became of asking for rows, and how many came.
func (p *proxy) outcome(t *testing.T) (outcome string, rows float64) {
	t.Helper()
	for _, m := range p.samples(t) {
		switch {
		case m.name == "fsproxy_warm_peer_outcome" && m.value == 1:
			outcome = m.labels["outcome"]
		case m.name == "fsproxy_warm_peer_rows":
			rows = m.value
		}
	}
	return outcome, rows
}

// awaitOutcome waits until asking for rows is over.
func (p *proxy) awaitOutcome(t *testing.T) (outcome string) {
	t.Helper()
	eventually(t, "an outcome of asking for rows", func() error {
		if outcome, _ = p.outcome(t); outcome == "none" {
			return fmt.Errorf("there is none")
		}
		return nil
	})
	return outcome
}

// Rows are taken from a peer, with what markers and a topic prove, and are served
// without a fetch.
func TestRowsAreTakenFromAPeer(t *testing.T) {
	s := startWarmStore(t)
	b := startKafka(t)
	b.createTopic(t, updateTopic, 1)
	s.extra = kafkaOptions(b, "evict")
	first := s.startGiving(t, "old")
	s.set(t, "new") // nobody is told: only rows of the peer can show the old values
	p := s.startRows(t, "", first.admin)
	p.waitReady(t)
	p.awaitLog(t, tookPeers)
	source{p, "fs:markers"}.await(t, "trusted")
	source{p, updateTopic}.await(t, "trusted")
	if n := s.readAll(t, p, "old"); n != 2*warmEntities {
		t.Errorf("%d of %d fields came from memory", n, 2*warmEntities)
	}
	if outcome, rows := p.outcome(t); outcome != "whole" || rows != warmEntities {
		t.Errorf("outcome %s, %v rows", outcome, rows)
	}
	// An upload is heard of there as here.
	s.load(t, map[string]hash{"fs:markers": {"a": "2"}})
	eventually(t, "the new values", func() error {
		if got := dialWire(t, p.addr).do(t, "HMGET", "st_1", "a"); got != bulks("new1") {
			return fmt.Errorf("answered %q", got)
		}
		return nil
	})
}

// Rows prove nothing to a process of other settings, of another store's markers,
// or without the token: it fetches, and serves nothing of them.
func TestRowsThatProveNothingAreNotTaken(t *testing.T) {
	s := startWarmStore(t)
	first := s.startGiving(t, "old")
	s.set(t, "new")
	s.more = "cache: {write_settle: 1500ms}\n"
	p := s.startRows(t, "", first.admin)
	p.waitReady(t)
	p.awaitLog(t, noPeers)
	p.awaitLog(t, fetched)
	s.readAll(t, p, "new")
	if outcome, rows := p.outcome(t); outcome != "no" || rows != 0 {
		t.Errorf("outcome %s, %v rows", outcome, rows)
	}
	for _, token := range []string{"", "Bearer something else", "Bearer " + rowsToken} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+first.admin+"/api/v1/rows?identity=other", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", token)
		response, err := adminClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if want := map[bool]int{false: http.StatusUnauthorized, true: http.StatusConflict}[strings.HasSuffix(token, rowsToken)]; response.StatusCode != want {
			t.Errorf("with %q: %s", token, response.Status)
		}
	}
}

// relay is a peer that has its rows from elsewhere, and sends them when it is told.
type relay struct {
	address string
	asked   chan string   // requests for rows, while there are none
	rows    atomic.Value  // []byte
	half    chan struct{} // closed when the second half may be sent
}

// startRelay starts a relay that has the rows of first, as s's proxies have them.
func (s *warmStore) startRelay(t *testing.T, first *proxy) *relay {
	t.Helper()
	r := &relay{asked: make(chan string, 1), half: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		rows, _ := r.rows.Load().([]byte)
		if rows == nil || !strings.HasSuffix(request.URL.Path, "/rows") {
			select {
			case r.asked <- request.URL.RequestURI():
			default:
			}
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(rows[:len(rows)*2/3]) // most of them are one block
		_ = http.NewResponseController(w).Flush()
		select {
		case <-r.half:
			_, _ = w.Write(rows[len(rows)*2/3:])
		case <-request.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	r.address = strings.TrimPrefix(server.URL, "http://")
	// What to ask for, only a proxy knows.
	p := s.startRows(t, "", r.address)
	asked := <-r.asked
	p.waitReady(t)
	p.end(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+first.admin+asked, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+rowsToken)
	response, err := adminClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v, %.200s", response.Status, err, text)
	}
	r.rows.Store(text)
	return r
}

// What changes after a peer's rows were read is never served as it was: neither what
// changed before the process that takes them hears of changes itself, as its sources
// go on from where the peer's stood, nor what it heard of before the rows came.
func TestChangesWhileRowsAreHeldUpAreSeen(t *testing.T) {
	s := startWarmStore(t)
	b := startKafka(t)
	b.createTopic(t, updateTopic, 1)
	s.extra = kafkaOptions(b, "evict")
	s.load(t, map[string]hash{"fs:markers": {"a": "1", "b": "1", "c": "1"}})
	all := map[string]hash{}
	for i := range warmEntities {
		all[fmt.Sprint("st_", i)] = hash{"c": "c", "d": "d"}
	}
	s.load(t, all)
	first := s.startGiving(t, "old")
	source{first, updateTopic}.await(t, "trusted")
	readCD := func(p *proxy) {
		w := dialWire(t, p.addr)
		for i := range warmEntities {
			w.do(t, "HMGET", fmt.Sprint("st_", i), "c", "d")
		}
	}
	readCD(first)
	r := s.startRelay(t, first)

	// Before: a by an update, b by an upload.
	s.load(t, map[string]hash{"fs:markers": {"b": "2"}, "st_7": {"a": "updated", "b": "uploaded"}})
	b.produce(t, updateTopic, jsonUpdate("st_7", "a", "updated", 2))
	s.load(t, map[string]hash{"st_9": {"a": "nobody is told"}})
	p := s.startRows(t, "", r.address)
	p.waitReady(t)
	markers, topic := source{p, "fs:markers"}, source{p, updateTopic}
	markers.await(t, "trusted")
	topic.await(t, "trusted")

	// While: c by an upload, d by an update. It is acted on before the rows are there.
	heard := markers.acted(t) + topic.acted(t)
	s.load(t, map[string]hash{"fs:markers": {"c": "2"}, "st_7": {"c": "uploaded", "d": "updated"}})
	b.produce(t, updateTopic, jsonUpdate("st_7", "d", "updated", 3))
	eventually(t, "both being acted on", func() error {
		if n := markers.acted(t) + topic.acted(t); n < heard+2 {
			return fmt.Errorf("%v of %v", n, heard+2)
		}
		return nil
	})
	close(r.half)
	p.awaitLog(t, tookPeers)
	w := dialWire(t, p.addr)
	if got := w.do(t, "HMGET", "st_7", "a", "b", "c", "d"); got != bulks("updated", "uploaded", "uploaded", "updated") {
		t.Errorf("answered %q", got)
	}
	if got := w.do(t, "HMGET", "st_9", "a"); got != bulks("old9") {
		t.Errorf("the test tests nothing: answered %q", got)
	}
}

// acted is how many markers and updates of a source were acted on.
func (s source) acted(t *testing.T) (n float64) {
	t.Helper()
	for _, m := range s.p.samples(t) {
		if what := m.labels["what"]; m.name == "fsproxy_invalidations_total" && m.labels["source"] == s.name && (what == "marker" || what == "update") {
			n += m.value
		}
	}
	return n
}

// hanging is an address that takes connections and answers nothing.
func hanging(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", loopback(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// Processes that all start at once, each a peer of all others, beside some that
// hang or are away, become ready and serve: nobody waits for anybody.
func TestAllMayStartAtOnce(t *testing.T) {
	s := startWarmStore(t)
	peers := []string{hanging(t), hanging(t), loopback(freePort(t))}
	var all []*proxy
	for range 3 {
		p := s.startRows(t, ", readiness: 3s, load_timeout: 2s", peers...)
		all = append(all, p)
		peers = append(peers, p.admin)
	}
	for _, p := range all {
		p.waitReady(t)
		s.readAll(t, p, "old")
	}
}

// decodedRows starts a proxy of which all clients want decoded values, that gives
// its rows and takes those of peers, by their admin addresses.
func (s *warmStore) decodedRows(t *testing.T, catalogue string, peers ...string) *proxy {
	t.Helper()
	return s.startDecoded(t, catalogue, "rows: true", peers...)
}

// startDecoded starts one with those options of warm.
func (s *warmStore) startDecoded(t *testing.T, catalogue, options string, peers ...string) *proxy {
	t.Helper()
	p := &proxy{addr: loopback(freePort(t)), admin: loopback(freePort(t))}
	dir := t.TempDir()
	p.file = filepath.Join(dir, "fsproxy.yaml")
	token := filepath.Join(dir, "token")
	for name, text := range map[string]string{token: rowsToken, p.file: fmt.Sprintf(`listeners: [{address: %q, values: decoded}]
admin: {address: %q, token_file: %q}
upstream: {addresses: [%q], discovery: standalone, fetch_timeout: 2s}
features_file: %q
invalidation: {markers: []}
warm: {%s, peers: [%s]}
`, p.addr, p.admin, token, s.addr, catalogue, options, strings.Join(peers, ","))} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.process = startProcess(t, fsproxyBinary, "serve", "--config", p.file)
	p.waitReady(t)
	return p
}

// startDecodedStore starts a store of one entity, and writes the catalogue of its
// features; want is what clients get for two of them.
func startDecodedStore(t *testing.T) (s *warmStore, catalogue, want string) {
	t.Helper()
	s = &warmStore{store: startStore(t)}
	s.load(t, map[string]hash{"e": {"stores": encodedAs(t, "stores", packedInts(7, -8)), "eta": "0.10"}})
	catalogue = filepath.Join(t.TempDir(), "features.yaml")
	if err := os.WriteFile(catalogue, []byte(decodedFeatures), 0o600); err != nil {
		t.Fatal(err)
	}
	return s, catalogue, bulks(packedInts(7, -8), "0.1")
}

// Where clients want decoded values alone, what those of a peer ask for is fetched,
// and held as they want it.
func TestDecodedValuesThatAPeerNamesAreFetched(t *testing.T) {
	s, catalogue, want := startDecodedStore(t)
	first := s.startDecoded(t, catalogue, "readiness: 0s")
	if got := dialWire(t, first.addr).do(t, "HMGET", "e", "stores", "eta"); got != want {
		t.Fatalf("answered %q", got)
	}
	p := s.startDecoded(t, catalogue, "readiness: 1m", fmt.Sprintf("%q", first.admin))
	before := p.fields(t)
	if got := dialWire(t, p.addr).do(t, "HMGET", "e", "stores", "eta"); got != want {
		t.Errorf("answered %q", got)
	}
	if n := waitForFields(t, p, before, 2).fromMemory(); n != 2 {
		t.Errorf("%d of 2 fields came from memory", n)
	}
}

// Where clients want decoded values alone, these are what is held, and what comes
// from a peer: nothing is fetched again.
func TestDecodedRowsAreTakenFromAPeer(t *testing.T) {
	s, catalogue, want := startDecodedStore(t)
	first := s.decodedRows(t, catalogue)
	if got := dialWire(t, first.addr).do(t, "HMGET", "e", "stores", "eta"); got != want {
		t.Fatalf("answered %q", got)
	}
	var p *proxy
	eventually(t, "the peer giving its rows", func() error {
		p = s.decodedRows(t, catalogue, first.admin)
		if p.awaitOutcome(t) == "no" {
			p.end(t)
			return fmt.Errorf("it does not know yet that it is warm")
		}
		return nil
	})
	if outcome, rows := p.outcome(t); outcome != "whole" || rows != 1 {
		t.Fatalf("outcome %s, %v rows", outcome, rows)
	}
	before := p.fields(t)
	if got := dialWire(t, p.addr).do(t, "HMGET", "e", "stores", "eta"); got != want {
		t.Errorf("answered %q", got)
	}
	if n := waitForFields(t, p, before, 2).fromMemory(); n != 2 {
		t.Errorf("%d of 2 fields came from memory", n)
	}
}
