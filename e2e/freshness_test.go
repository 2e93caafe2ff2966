//go:build e2e

package e2e

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

const (
	// shortSettle keeps these tests quick: a lone store does not lag.
	shortSettle = "50ms"
	// afterStart is when all was forgotten once more that was read at the start,
	// and a broker has answered a fetch that it can answer.
	afterStart = 500 * time.Millisecond
)

// startFreshProxy runs a proxy in front of a store, with invalidation as given
// in YAML, indented by two.
func startFreshProxy(t testing.TB, s *store, invalidation string) *proxy {
	t.Helper()
	return startConfiguredProxy(t, fmt.Sprintf("upstream: {addresses: [%q], discovery: standalone, fetch_timeout: 2s}\ninvalidation:\n%s", s.addr, invalidation))
}

func kafkaOptions(b *broker, apply string) string {
	return fmt.Sprintf(`  kafka:
    brokers: [%q]
    settle: %s
    check_interval: 100ms
    refresh_interval: 200ms
    topics: [{name: %s, format: json, apply: %s, max_lag: 2s}]
`, b.addr, shortSettle, updateTopic, apply)
}

// startUpdated runs a store with a=1 in e, a broker with a topic, and a proxy
// that has read e.
func startUpdated(t *testing.T, apply string) (*store, *broker, *proxy, *wire) {
	t.Helper()
	s, b := startStore(t), startKafka(t)
	b.createTopic(t, updateTopic, 1)
	s.load(t, map[string]hash{"e": {"a": "1"}})
	p := startFreshProxy(t, s, kafkaOptions(b, apply))
	source{p, updateTopic}.await(t, "trusted")
	w := dialWire(t, p.addr)
	p.answers(t, w, bulks("1"), "HMGET", "e", "a")
	return s, b, p, w
}

func jsonUpdate(entity, field, value string, version int) kafkaRecord {
	return kafkaRecord{entity, fmt.Sprintf(`{"entity":%q,"features":{%q:%q},"version":%d}`, entity, field, value, version)}
}

// answers waits until a read is answered so, and from memory.
func (p *proxy) answers(t *testing.T, w *wire, want string, read ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%q from memory to %v", want, read), func() error {
		before := p.fields(t)
		if got := w.do(t, read...); got != want {
			return fmt.Errorf("it is %q", got)
		}
		if got := waitForFields(t, p, before, len(read)-2).fromMemory(); got != len(read)-2 {
			return errNotCached
		}
		return nil
	})
}

func TestUpdateIsServedOnceItsRecordIsRead(t *testing.T) {
	for _, apply := range []string{"evict", "update"} {
		t.Run(apply, func(t *testing.T) {
			s, b, p, w := startUpdated(t, apply)
			for i := 2; i < 6; i++ {
				value := fmt.Sprint(i)
				s.load(t, map[string]hash{"e": {"a": value}})
				b.produce(t, updateTopic, jsonUpdate("e", "a", value, i))
				p.answers(t, w, bulks(value), "HMGET", "e", "a")
			}
		})
	}
}

// Without Kafka nobody tells of changes: past max_lag each read is fetched, and
// once Kafka is back memory answers again, with what changed meanwhile.
func TestLostStreamIsBypassedUntilItIsBack(t *testing.T) {
	for _, loss := range []string{"killed", "silent"} {
		t.Run(loss, func(t *testing.T) {
			s, b, p, w := startUpdated(t, "evict")
			of := source{p, updateTopic}
			if loss == "killed" {
				b.kill()
			} else {
				b.signal(t, syscall.SIGSTOP)
			}
			of.await(t, "lost")
			for i := range 5 {
				value := fmt.Sprint("unheard ", i)
				s.load(t, map[string]hash{"e": {"a": value}})
				if got := w.do(t, "HMGET", "e", "a"); got != bulks(value) {
					t.Errorf("while the stream is lost: %q, want %q", got, value)
				}
			}
			if loss == "killed" {
				b.start(t)
			} else {
				b.signal(t, syscall.SIGCONT)
			}
			of.await(t, "trusted")
			p.answers(t, w, bulks("unheard 4"), "HMGET", "e", "a")
			s.load(t, map[string]hash{"e": {"a": "7"}})
			b.produce(t, updateTopic, jsonUpdate("e", "a", "7", 7))
			p.answers(t, w, bulks("7"), "HMGET", "e", "a")
		})
	}
}

// What was lost before it was read has to be taken for a change of everything
// that the topic tells of.
func TestGapInTheStreamForgetsWhatItCovers(t *testing.T) {
	s, b, p, w := startUpdated(t, "evict")
	of := source{p, updateTopic}
	for i, lose := range map[string]func(){
		"retention": func() { b.deleteRecords(t, updateTopic, 0) },
		"a topic made again": func() {
			b.deleteTopic(t, updateTopic)
			b.createTopic(t, updateTopic, 1)
		},
	} {
		gaps := of.read(t, "fsproxy_source_gaps_total", "")
		p.signal(t, syscall.SIGSTOP)
		s.load(t, map[string]hash{"e": {"a": i}})
		// The first one answers the fetch that is under way; the second is lost.
		b.produce(t, updateTopic, jsonUpdate("another", "a", i, 2))
		time.Sleep(afterStart)
		b.produce(t, updateTopic, jsonUpdate("e", "a", i, 2))
		lose()
		p.signal(t, syscall.SIGCONT)
		p.answers(t, w, bulks(i), "HMGET", "e", "a")
		eventually(t, "a gap after "+i, func() error {
			if now := of.read(t, "fsproxy_source_gaps_total", ""); now <= gaps {
				return fmt.Errorf("%v gaps", now)
			}
			return nil
		})
		of.await(t, "trusted")
	}
}

func TestNewPartitionsAreReadFromTheirBeginning(t *testing.T) {
	s, b, p, w := startUpdated(t, "evict")
	b.growTopic(t, updateTopic, 4)
	// At once, before anybody has seen the new partitions: some of these go there.
	hashes := map[string]hash{}
	for i := range 16 {
		entity := fmt.Sprint("spread_", i)
		p.answers(t, w, bulks(""), "HMGET", entity, "a")
		hashes[entity] = hash{"a": "2"}
	}
	s.load(t, hashes)
	for entity := range hashes {
		b.produce(t, updateTopic, jsonUpdate(entity, "a", "2", 2))
	}
	for entity := range hashes {
		p.answers(t, w, bulks("2"), "HMGET", entity, "a")
	}
}

func TestMarkerInvalidatesItsFeature(t *testing.T) {
	s := startStore(t)
	s.load(t, map[string]hash{"e": {"a": "1", "b": "1"}, "fs:markers": {"a": "monday"}})
	p := startFreshProxy(t, s, "  markers: [{key: \"fs:markers\", interval: 100ms, settle: "+shortSettle+"}]\n")
	source{p, "fs:markers"}.await(t, "trusted")
	time.Sleep(afterStart)
	w := dialWire(t, p.addr)
	p.answers(t, w, bulks("1", "1"), "HMGET", "e", "a", "b")
	s.load(t, map[string]hash{"e": {"a": "2", "b": "2"}})
	s.load(t, map[string]hash{"fs:markers": {"a": "tuesday"}})
	p.answers(t, w, bulks("2", "1"), "HMGET", "e", "a", "b") // b has no new marker
}

// A store that announces its changes needs nobody else to tell of them.
func TestTrackedChangeIsServed(t *testing.T) {
	s := startStore(t)
	s.load(t, map[string]hash{"st_1": {"a": "1"}})
	p := startFreshProxy(t, s, "  markers: []\n  tracking: {enabled: true, prefixes: [st_], settle: "+shortSettle+"}\n")
	w := dialWire(t, p.addr)
	p.answers(t, w, bulks("1"), "HMGET", "st_1", "a")
	for i := 2; i < 5; i++ {
		s.load(t, map[string]hash{"st_1": {"a": fmt.Sprint(i)}})
		p.answers(t, w, bulks(fmt.Sprint(i)), "HMGET", "st_1", "a")
	}
	// The store is another one: nothing that was held is true of it.
	s.kill()
	s.start(t)
	s.load(t, map[string]hash{"st_1": {"a": "after"}})
	p.answers(t, w, bulks("after"), "HMGET", "st_1", "a")
	s.load(t, map[string]hash{"st_1": {"a": "9"}})
	p.answers(t, w, bulks("9"), "HMGET", "st_1", "a")
}
