package proxy_test

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/proxy"
	"github.com/fsproxy/fsproxy/rollout"
)

const catalogueText = `
scheme: name
features:
  - {name: eta, type: float, default: 0.5}
  - {name: orders, type: int}
  - {name: open, type: bool}
  - {name: zone, type: string}
  - {name: emb, type: embedding, dimension: 2}
  - {name: stores, type: int_list}
  - {name: tags, type: string_list}
  - {name: score, type: float, encoding: protobuf}
`

// decodingStack is a stack with a catalogue, whose listener has a view.
type decodingStack struct {
	*stack
	store     *miniredis.Miniredis
	catalogue *feature.Catalogue
	policy    func(field string) cache.Policy
}

func newDecodingStack(t *testing.T, view proxy.View, change ...func(*setup)) *decodingStack {
	t.Helper()
	catalogue, err := feature.Parse("features.yaml", []byte(catalogueText))
	if err != nil {
		t.Fatal(err)
	}
	s := &decodingStack{store: miniredis.RunT(t), catalogue: catalogue}
	s.policy = func(field string) cache.Policy {
		return cache.Policy{MaxAge: time.Hour, NegativeMaxAge: time.Hour, Keep: true, Definition: catalogue.Lookup(field)}
	}
	s.stack = newStack(t, s.store.Addr(), append([]func(*setup){func(set *setup) {
		set.listener = view.Listener(listen(t))
		set.cache.Policy, set.cache.Decodes = s.policy, true
		set.proxy.Catalogue = func() *feature.Catalogue { return catalogue }
	}}, change...)...)
	return s
}

// set has the store hold a decoded value of a feature.
func (s *decodingStack) set(entity, name, decoded string) {
	s.t.Helper()
	stored, err := s.catalogue.Feature(name).Encode(nil, []byte(decoded))
	if err != nil {
		s.t.Fatal(err)
	}
	s.store.HSet(entity, name, string(stored))
}

func floats(list ...float32) string {
	var b []byte
	for _, x := range list {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return string(b)
}

func ints(list ...int64) string {
	var b []byte
	for _, x := range list {
		b = binary.LittleEndian.AppendUint64(b, uint64(x))
	}
	return string(b)
}

func (s *decodingStack) fill() {
	s.store.HSet("e", "eta", "0.10")
	s.store.HSet("e", "zone", "north")
	s.store.HSet("e", "unlisted", "as it is")
	s.set("e", "emb", floats(1, -2))
	s.set("e", "stores", ints(7, -8))
	s.set("e", "tags", "\x01\x00\x00\x00a")
	s.set("e", "score", "1.5")
}

const allNames = "eta zone unlisted emb stores tags score orders"

var decodedAll = array("0.1", "north", "as it is", floats(1, -2), ints(7, -8), "\x01\x00\x00\x00a", "1.5", "-")

var decoded = proxy.View{Decoded: true}

func TestADecodedListenerDecodesWhateverAnswers(t *testing.T) {
	s := newDecodingStack(t, decoded)
	s.fill()
	p := s.dial()
	for range 3 { // a miss, and hits
		p.wantsDone("HMGET e "+allNames, decodedAll)
		p.wantsDone("HGET e emb", bulk(floats(1, -2)))
		p.wantsDone("HGET e eta", bulk("0.1"))
		p.wantsDone("HGET e orders", "$-1\r\n")
	}
	if s.hits() == 0 {
		t.Fatal("nothing was answered from memory")
	}
	// In a transaction of reads, which memory answers, and of which the store has
	// to be told.
	p.send(cmds("MULTI", "HMGET e "+allNames, "HGET e emb", "EXEC"))
	p.wants("+OK\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "*2\r\n"+decodedAll+bulk(floats(1, -2)))
	s.set("new", "emb", floats(3, 4))
	p.send(cmds("MULTI", "HMGET new emb eta", "EXEC"))
	p.wants("+OK\r\n", "+QUEUED\r\n", "*1\r\n"+array(floats(3, 4), "-"))
	p.wantsDone("HMGET new emb eta", array(floats(3, 4), "-"))
	// Among other commands, after an error, and behind WATCH.
	p.send(cmds("MULTI", "SET k v", "NOSUCH", "HGET e emb", "DISCARD", "WATCH k", "HMGET e "+allNames,
		"MULTI", "SET k v", "WATCH k", "HMGET e "+allNames, "GET k", "HGET e emb", "EXEC"))
	p.wants("+OK\r\n", "+QUEUED\r\n")
	p.wantsError("ERR unknown command")
	p.wants("+QUEUED\r\n", "+OK\r\n", "+OK\r\n", decodedAll, "+OK\r\n", "+QUEUED\r\n")
	p.wantsError("ERR WATCH")
	p.wants("+QUEUED\r\n", "+QUEUED\r\n", "+QUEUED\r\n", "*4\r\n+OK\r\n"+decodedAll+bulk("v")+bulk(floats(1, -2)))
	// In another database, and once its state is not known here.
	p.send(cmds("SELECT 0", "WATCH k", "SELECT 0", "HMGET e "+allNames, "MULTI", "HGET e emb", "EXEC", "RESET"))
	p.wants("+OK\r\n", "+OK\r\n", "+OK\r\n", decodedAll, "+OK\r\n", "+QUEUED\r\n", "*1\r\n"+bulk(floats(1, -2)), "+RESET\r\n")
	s.store.DB(3).HSet("e", "eta", "2.50")
	p.send(cmds("SELECT 3", "HMGET e eta", "SELECT 0"))
	p.wants("+OK\r\n", array("2.5"), "+OK\r\n")
	// What is no read of fields by name is as stored.
	p.wantsDone("HMGET e eta", array("0.1"))
	p.wantsDone("HSTRLEN e eta", ":4\r\n")
}

func TestADecodedListenerDecodesWhileModeIsOff(t *testing.T) {
	s := newDecodingStack(t, decoded, func(set *setup) { set.proxy.Rollout = rollout.Fixed(config.ModeOff) })
	s.fill()
	p := s.dial()
	for range 2 {
		p.wantsDone("HMGET e "+allNames, decodedAll)
		p.wantsDone("HGET e stores", bulk(ints(7, -8)))
	}
	p.wantsDone("SET k v", "+OK\r\n")
	p.wantsError2("HMGET k eta", "WRONGTYPE")
}

func (p *peer) wantsError2(words, text string) {
	p.send(cmd(words))
	p.wantsError(text)
}

func TestArraysDoublesAndDefaults(t *testing.T) {
	s := newDecodingStack(t, proxy.View{Decoded: true, Arrays: true, Doubles: true, Defaults: true})
	s.fill()
	p := s.dial()
	lists := "*2\r\n:7\r\n:-8\r\n*1\r\n$1\r\na\r\n"
	for range 2 {
		p.wantsDone("HMGET e eta score stores tags", "*4\r\n"+bulk("0.1")+bulk("1.5")+lists)
		p.wantsDone("HMGET none eta orders", array("0.5", "-"))
	}
	p.send(cmd("HELLO 3"))
	p.reply()
	for range 2 {
		p.wantsDone("HMGET e eta score stores tags", "*4\r\n,0.1\r\n,1.5\r\n"+lists)
		p.wantsDone("HMGET none eta orders", "*2\r\n,0.5\r\n_\r\n")
		p.wantsDone("HGET none eta", ",0.5\r\n")
	}
	p.send(cmds("WATCH k", "HMGET e eta stores", "HGET none eta", "UNWATCH", "HELLO 2", "HMGET e eta"))
	p.wants("+OK\r\n", "*2\r\n,0.1\r\n*2\r\n:7\r\n:-8\r\n", ",0.5\r\n", "+OK\r\n")
	p.reply()
	p.wants(array("0.1"))
}

// Clients that were never changed get the store's bytes, beside others.
func TestBothKindsOfListenerServeOneMemory(t *testing.T) {
	other := decoded.Listener(listen(t))
	s := newDecodingStack(t, proxy.View{}, func(set *setup) { set.others = append(set.others, other) })
	s.fill()
	stored, packed := s.dial(), dial(t, other.Addr().String())
	raw := stored.do("HMGET e " + allNames)
	packed.wantsDone("HMGET e "+allNames, decodedAll)
	before := s.hits()
	s.store.Close() // memory has to answer from here on
	for range 2 {
		stored.wantsDone("HMGET e "+allNames, raw)
		packed.wantsDone("HMGET e "+allNames, decodedAll)
	}
	if got := s.hits() - before; got != 4 {
		t.Errorf("%d of 4 reads were answered from memory", got)
	}
	if strings.Contains(raw, bulk(floats(1, -2))) || !strings.Contains(raw, bulk("0.10")) {
		t.Errorf("stored: %q", raw)
	}
}

func TestATypeThatChangesHoldsForThoseWhoAreConnected(t *testing.T) {
	s := newDecodingStack(t, decoded)
	s.fill()
	p := s.dial()
	for range 2 {
		p.wantsDone("HMGET e eta emb", array("0.1", floats(1, -2)))
	}
	raw := s.store.HGet("e", "emb")
	later, err := feature.Parse("f", []byte("scheme: name\nfeatures:\n  - {name: eta, type: string}\n  - {name: emb, type: bytes}\n"))
	if err != nil {
		t.Fatal(err)
	}
	s.catalogue.TakeOver(later)
	s.cache.Repolicy(s.policy)
	for range 2 {
		p.wantsDone("HMGET e eta emb", array("0.10", raw))
	}
}
