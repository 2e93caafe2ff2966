//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// warmEntities is how many entities these tests hold.
const warmEntities = 200

// warmStore is a store with entities and a marker, and the options of proxies of
// it that leave their rows to one another.
type warmStore struct {
	*store
	file  string
	extra string // invalidation, indented by two
	more  string // further options
}

func startWarmStore(t *testing.T) *warmStore {
	t.Helper()
	s := &warmStore{store: startStore(t), file: filepath.Join(t.TempDir(), "warm")}
	s.set(t, "old")
	s.load(t, map[string]hash{"fs:markers": {"a": "1"}})
	return s
}

// set gives every entity a value of a and b.
func (s *warmStore) set(t *testing.T, value string) {
	t.Helper()
	all := map[string]hash{}
	for i := range warmEntities {
		all[fmt.Sprint("st_", i)] = hash{"a": fmt.Sprint(value, i), "b": "b"}
	}
	s.load(t, all)
}

func (s *warmStore) start(t *testing.T) *proxy {
	t.Helper()
	return startConfiguredProxy(t, fmt.Sprintf(`upstream: {addresses: [%q], discovery: standalone, fetch_timeout: 2s}
warm: {file: %q, interval: 200ms}
drain_timeout: 10s
invalidation:
  markers: [{key: "fs:markers", interval: 100ms, settle: %s, max_silence: 20s}]
%s%s`, s.addr, s.file, shortSettle, s.extra, s.more))
}

// readAll reads every entity and returns how many fields came from memory.
func (s *warmStore) readAll(t *testing.T, p *proxy, value string) (fromMemory int) {
	t.Helper()
	w := dialWire(t, p.addr)
	defer w.Close()
	before := p.fields(t)
	for i := range warmEntities {
		want := bulks(fmt.Sprint(value, i), "b")
		if got := w.do(t, "HMGET", fmt.Sprint("st_", i), "a", "b"); got != want {
			t.Fatalf("entity %d: %q, want %q", i, got, want)
		}
	}
	return waitForFields(t, p, before, 2*warmEntities).fromMemory()
}

// fill reads until all comes from memory, and settle has passed.
func (s *warmStore) fill(t *testing.T, p *proxy, value string) {
	t.Helper()
	source{p, "fs:markers"}.await(t, "trusted")
	time.Sleep(afterStart) // all is forgotten once more, and then a snapshot vouches for it
	eventually(t, "all in memory", func() error {
		if n := s.readAll(t, p, value); n != 2*warmEntities {
			return fmt.Errorf("%d of %d", n, 2*warmEntities)
		}
		return nil
	})
}

// end stops a proxy and wants exit code 0.
func (p *proxy) end(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGTERM)
	if code := p.exitCode(t, patience); code != 0 {
		t.Fatalf("exit code %d", code)
	}
}

// awaitLoaded waits until a proxy said what became of the file.
func (p *proxy) awaitLog(t *testing.T, text string) {
	t.Helper()
	eventually(t, "the log to say "+text, func() error {
		if !strings.Contains(p.log.tail(1<<20), text) {
			return fmt.Errorf("it does not")
		}
		return nil
	})
}

// awaitFile waits for a snapshot that was begun from now on.
func (s *warmStore) awaitFile(t *testing.T) {
	t.Helper()
	after := time.Now()
	for range 2 { // the first may have been begun before
		eventually(t, "a snapshot", func() error {
			info, err := os.Stat(s.file)
			if err != nil {
				return err
			}
			if !info.ModTime().After(after) {
				return fmt.Errorf("it is from before")
			}
			after = info.ModTime()
			return nil
		})
	}
}

// What was in memory is there after a restart, of one that was asked to stop as
// of one that was killed, and is served without a fetch.
func TestRowsOutliveTheProcess(t *testing.T) {
	for _, end := range []string{"stopped", "killed"} {
		t.Run(end, func(t *testing.T) {
			s := startWarmStore(t)
			p := s.start(t)
			s.fill(t, p, "old")
			if end == "stopped" {
				p.end(t)
			} else {
				s.awaitFile(t)
				p.kill()
			}
			for range 2 { // what was taken over is left behind once more
				p = s.start(t)
				p.awaitLog(t, tookOver)
				source{p, "fs:markers"}.await(t, "trusted")
				if n := s.readAll(t, p, "old"); n != 2*warmEntities {
					t.Errorf("%d of %d fields came from memory", n, 2*warmEntities)
				}
				p.end(t)
			}
		})
	}
}

// An upload that finished while nobody listened is seen: nothing of before is
// served, and what has no new marker is.
func TestAnUploadBetweenTwoProcessesIsSeen(t *testing.T) {
	s := startWarmStore(t)
	p := s.start(t)
	s.fill(t, p, "old")
	p.end(t)
	s.set(t, "new")
	s.load(t, map[string]hash{"fs:markers": {"a": "2"}})
	p = s.start(t)
	p.awaitLog(t, tookOver)
	source{p, "fs:markers"}.await(t, "trusted")
	if n := s.readAll(t, p, "new"); n != warmEntities {
		t.Errorf("%d fields came from memory, want the %d of b", n, warmEntities)
	}
}

// An update of which the record was written while nobody listened is read before
// anything that the topic covers is served.
func TestAnUpdateBetweenTwoProcessesIsSeen(t *testing.T) {
	s := startWarmStore(t)
	b := startKafka(t)
	b.createTopic(t, updateTopic, 1)
	s.extra = kafkaOptions(b, "evict")
	p := s.start(t)
	source{p, updateTopic}.await(t, "trusted")
	s.fill(t, p, "old")
	p.end(t)
	const updated = 7
	entity := fmt.Sprint("st_", updated)
	s.load(t, map[string]hash{entity: {"a": "updated"}})
	b.produce(t, updateTopic, jsonUpdate(entity, "a", "updated", 2))
	p = s.start(t)
	w := dialWire(t, p.addr)
	for range 50 { // before, while and after the record is read
		if got := w.do(t, "HMGET", entity, "a"); got != bulks("updated") {
			t.Fatalf("answered %q", got)
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.awaitLog(t, tookOver)
	source{p, updateTopic}.await(t, "trusted")
	before := p.fields(t)
	for i := range warmEntities {
		if i != updated {
			w.do(t, "HMGET", fmt.Sprint("st_", i), "a", "b")
		}
	}
	if n := waitForFields(t, p, before, 2*(warmEntities-1)).fromMemory(); n != 2*(warmEntities-1) {
		t.Errorf("%d of %d fields that were not updated came from memory", n, 2*(warmEntities-1))
	}
}

// A topic that is not the one that was read proves nothing: what it covers is
// fetched anew.
func TestATopicMadeAgainBetweenTwoProcessesProvesNothing(t *testing.T) {
	s := startWarmStore(t)
	b := startKafka(t)
	b.createTopic(t, updateTopic, 1)
	s.extra = kafkaOptions(b, "evict")
	p := s.start(t)
	source{p, updateTopic}.await(t, "trusted")
	s.fill(t, p, "old")
	p.end(t)
	s.set(t, "new")
	b.deleteTopic(t, updateTopic)
	b.createTopic(t, updateTopic, 1)
	p = s.start(t)
	p.awaitLog(t, "the topic was made again")
	source{p, updateTopic}.await(t, "trusted")
	s.readAll(t, p, "new")
}

// A write through the proxy is told by nobody else: a snapshot from before it is
// void, even if the process is killed the moment after.
func TestAWriteThroughTheProxyVoidsTheSnapshot(t *testing.T) {
	s := startWarmStore(t)
	p := s.start(t)
	s.fill(t, p, "old")
	w := dialWire(t, p.addr)
	for i := range 12 {
		if i%2 == 0 {
			s.awaitFile(t) // of what was read
		} else {
			time.Sleep(time.Duration(i*25) * time.Millisecond) // or at any time of one's making
		}
		value := fmt.Sprint("written ", i)
		w.do(t, "HSET", "st_0", "a", value)
		p.kill()
		p = s.start(t)
		source{p, "fs:markers"}.await(t, "trusted") // what was taken over is served from then on
		w = dialWire(t, p.addr)
		for range 5 {
			if got := w.do(t, "HMGET", "st_0", "a", "b"); got != bulks(value, "b") {
				t.Fatalf("after write %d: %q", i, got)
			}
		}
	}
}

// A file that is broken, from elsewhere or of other settings is set aside and
// named, and nothing of it is served.
func TestAFileOfNoUseIsSetAside(t *testing.T) {
	s := startWarmStore(t)
	p := s.start(t)
	s.fill(t, p, "old")
	p.end(t)
	whole, err := os.ReadFile(s.file)
	if err != nil {
		t.Fatal(err)
	}
	s.set(t, "new") // without a marker: only a file that is used could show the old
	flipped := append([]byte(nil), whole...)
	flipped[len(flipped)-100] ^= 1
	for name, content := range map[string][]byte{
		"empty": {}, "cut off": whole[:len(whole)/2], "flipped": flipped, "foreign": []byte("something else entirely"),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(s.file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			p := s.start(t)
			p.awaitLog(t, "set_aside_as="+s.file+".bad")
			source{p, "fs:markers"}.await(t, "trusted")
			s.readAll(t, p, "new")
			p.kill()
			_ = os.Remove(s.file)
		})
	}
	t.Run("other settings", func(t *testing.T) {
		if err := os.WriteFile(s.file, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		s.more = "cache: {write_settle: 1500ms}\n"
		p := s.start(t)
		p.awaitLog(t, "another configuration")
		s.readAll(t, p, "new")
	})
}

// A process that is told to stop serves the connections that are open, takes no
// new ones, and ends when none is left.
func TestOpenConnectionsAreServedWhileTheProcessStops(t *testing.T) {
	s := startWarmStore(t)
	p := s.start(t)
	w := dialWire(t, p.addr)
	w.do(t, "PING")
	p.signal(t, syscall.SIGTERM)
	awaitRefusal(t, p)
	if p.ready() == nil {
		t.Error("it is still ready")
	}
	for i := range 20 {
		if got := w.do(t, "HMGET", "st_1", "a"); got != bulks("old1") {
			t.Fatalf("read %d after SIGTERM: %q", i, got)
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = w.Close()
	if code := p.exitCode(t, patience/2); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
