package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
)

// covering is a fleet's topology that has these slots and no others.
func covering(t testing.TB, last uint16) *Topology {
	t.Helper()
	topology, err := NewTopology(RCM, "", []Assignment{{Slots: []SlotRange{{0, last}}, Nodes: []string{"10.0.0.1:6379"}}})
	if err != nil {
		t.Fatal(err)
	}
	return topology
}

// Readings come in any order; a poorer topology is in use when nothing better was
// read for the time stated, without a break, and not before. Each letter is a
// reading, 15 s apart, with patience for a minute: the whole fleet, three quarters,
// half, a quarter of it, a plain server, a reading that failed. Capitals are those
// that are in use after it.
func TestPoorerTopologyHasToPersistAsTheBestThatIsRead(t *testing.T) {
	for name, readings := range map[string]string{
		"whole again":                     "W hhhh W hhhh W",
		"poor":                            "W hhhh H W",
		"poor, good, poor":                "W hhhh W hhhh H",
		"poor, failed, poor":              "W hhhh f hhhh H",
		"failed between all":              "W hf hf hf hf hf hf W",
		"poorer yet at last":              "W hhhh qqqq Q",
		"poorer yet in between":           "W hqhq H",
		"better at last":                  "W qqqq H",
		"better at last, and poorer then": "W qqqh H qqqq Q W",
		"alternating":                     "W qhqhq H",
		"alternating with the whole":      "W hW hW hW hW hW",
		"a plain server":                  "W pppp P W",
		"a plain server and a poor fleet": "W phphp H",
		"poor, then a plain server":       "W hhhh pppp P hhhh H",
		"plain servers alone":             "P P f P W",
		"step by step":                    "W tttt T hhhh H qqqq Q W",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { readTopologies(t, readings) })
		})
	}
}

func readTopologies(t *testing.T, readings string) {
	const patience = time.Minute
	log := new(lines)
	u := &Upstream{log: slog.New(slog.NewTextHandler(log, nil)), ctx: t.Context(), fetchers: make(map[string]*fetcher)}
	u.tuned.Store(&Config{TopologyPatience: patience, Connections: 1})
	plain, err := NewTopology(Standalone, "", []Assignment{{Slots: []SlotRange{AllSlots}, Nodes: []string{"10.0.0.2:6379"}}})
	if err != nil {
		t.Fatal(err)
	}
	says := map[rune]*Topology{
		'w': covering(t, Slots-1), 't': covering(t, Slots*3/4-1), 'h': covering(t, Slots/2-1), 'q': covering(t, Slots/4-1), 'p': plain,
	}
	refused, began, doubting := uint64(0), 0, false
	for i, letter := range readings {
		if letter == ' ' {
			continue
		}
		topology := says[unicode.ToLower(letter)]
		if letter == 'f' {
			u.learn(nil, errors.New("down"), time.Now())
		} else {
			u.learn(topology, nil, time.Now())
			if now, _ := u.Topology(); (now == topology) != unicode.IsUpper(letter) {
				t.Fatalf("after %q and %q %d slots of a %s are in use", readings[:i], letter, now.Covered(), now.Kind)
			}
		}
		is := unicode.IsLower(letter) && letter != 'f'
		if is {
			refused++
		}
		if is && !doubting {
			began++
		}
		doubting = is
		time.Sleep(patience / 4)
	}
	if u.Refused.Load() != refused {
		t.Errorf("%d refusals are counted, want %d", u.Refused.Load(), refused)
	}
	if n := log.count("not believed yet"); n != began {
		t.Errorf("logged %d times, want %d", n, began)
	}
}

// Behind one address there may be a poor RCM and a good one: who is in doubt looks
// often enough to meet the good one, and no oftener than after a failure.
func TestATopologyInDoubtIsLookedAtOftener(t *testing.T) {
	for _, c := range []struct{ refresh, patience, want time.Duration }{
		{30 * time.Second, time.Minute, 6 * time.Second},
		{5 * time.Second, time.Minute, 5 * time.Second},
		{30 * time.Second, 5 * time.Second, minRefresh},
		{time.Hour, 24 * time.Hour, time.Hour},
	} {
		u := &Upstream{log: quiet}
		u.tuned.Store(&Config{RefreshInterval: c.refresh, TopologyPatience: c.patience})
		if got := u.interval(); got != c.refresh {
			t.Errorf("%v without doubt: %s", c, got)
		}
		u.believe(covering(t, Slots-1), covering(t, 0), time.Now())
		if got := u.interval(); got != c.want {
			t.Errorf("%v in doubt: %s", c, got)
		}
		u.believe(covering(t, Slots-1), covering(t, Slots-1), time.Now())
		if got := u.interval(); got != c.refresh {
			t.Errorf("%v after the doubt: %s", c, got)
		}
	}
}

// A poorer topology that comes by the wire: fetches of all slots go on.
func TestPoorerTopologyLeavesAllSlotsServed(t *testing.T) {
	inParallel(t)
	rcm, one, other := startFake(t), startFake(t), startFake(t)
	slots := slotsOf([]*fake{one}, []*fake{other})
	rcm.slots.Store(&slots)
	u := lookingFor(t, func(c *Config) { c.Discovery.Kind = KindRCM; c.TopologyPatience = time.Hour }, rcm)
	found(t, u)
	host, port, _ := net.SplitHostPort(one.addr)
	half := fmt.Sprintf("*1\r\n*3\r\n:0\r\n:8191\r\n*3\r\n%s:%s\r\n$2\r\nid\r\n", bulk(host), port)
	rcm.slots.Store(&half)
	until(t, "the poorer one is read", func() bool { u.Refresh(); return u.Refused.Load() > 0 })
	drive(t, u, 40, 2)
	empty := "*0\r\n"
	rcm.slots.Store(&empty)
	failed := u.RefreshErrors.Load()
	until(t, "the empty one is read", func() bool { u.Refresh(); return u.RefreshErrors.Load() > failed })
	drive(t, u, 40, 2)
	if topology, _ := u.Topology(); topology.Covered() != Slots {
		t.Errorf("%d slots are covered", topology.Covered())
	}
}

// Of several addresses the one that knows most is believed, whichever is asked
// first, when the store is looked for and later: nobody waits for what another
// address tells now.
func TestAddressThatKnowsTheWholeFleetIsPreferred(t *testing.T) {
	inParallel(t)
	poor := fakeStore(t, store(map[string]string{"CLUSTER SLOTS": "*1\r\n*3\r\n:0\r\n:8191\r\n*2\r\n$1\r\np\r\n:1\r\n"}))
	plain := fakeStore(t, store(map[string]string{"CLUSTER SLOTS": disabled}))
	empty := fakeStore(t, store(map[string]string{"CLUSTER SLOTS": "*0\r\n"}))
	whole := fakeStore(t, store(map[string]string{"CLUSTER SLOTS": oneSlots}))
	for name, addresses := range map[string][]string{
		"poor and whole": {poor, whole}, "whole and poor": {whole, poor}, "all": {empty, poor, plain, whole}, "two poor": {poor, poor, empty, whole},
	} {
		d := NewDiscovery(DiscoveryConfig{Addresses: addresses})
		for range 20 { // from a random one on
			topology, err := d.Discover(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			// Until some address told of a fleet a plain server may be all there is.
			if topology.Covered() != Slots || d.fleet && topology.Kind != Cluster {
				t.Fatalf("%s: a %s of %d slots", name, topology.Kind, topology.Covered())
			}
		}
		d.Close()
	}
	if topology, err := discover(t, DiscoveryConfig{Addresses: []string{poor, empty, poor}}); err != nil || topology.Covered() != Slots/2 {
		t.Errorf("where nobody knows more: %v", err)
	}
}
