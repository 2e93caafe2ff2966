package cluster

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

// patience bounds a wait for what must come. It passes only when a test fails.
const patience = 20 * time.Second

// fake is a fetcher whose ways a test changes as it goes. It greets and tells
// its topology by itself; behave answers the reads.
type fake struct {
	t      testing.TB
	addr   string
	tls    *tls.Config
	behave atomic.Pointer[behaviour]
	greet  atomic.Pointer[behaviour]           // nil: AUTH, READONLY, ASKING and PING are answered +OK
	slots  atomic.Pointer[string]              // reply to CLUSTER SLOTS; nil: it is no cluster
	heard  atomic.Pointer[func(args [][]byte)] // called with each HMGET when it comes; nil: nothing is

	accepts atomic.Int64 // connections taken, those of discovery included
	reads   atomic.Int64 // HMGETs

	mu       sync.Mutex
	ln       net.Listener
	conns    map[net.Conn]bool
	commands []string // every command seen but HMGET, upper case, with its arguments
	wg       sync.WaitGroup
}

// behaviour answers one request. False closes the connection.
type behaviour func(p *peer, args [][]byte) bool

// peer is one connection that a fake serves.
type peer struct {
	fake  *fake
	nc    net.Conn
	ended chan struct{} // closed when the other side has closed, or the fake stops
}

func (p *peer) say(reply string) bool {
	_, err := io.WriteString(p.nc, reply)
	return err == nil
}

// startFake starts a fetcher that answers reads as echo does.
func startFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{t: t, addr: "127.0.0.1:0"}
	f.will(echo)
	f.start()
	t.Cleanup(f.stop)
	return f
}

func (f *fake) will(b behaviour) { f.behave.Store(&b) }

// start listens, again at the same address after stop.
func (f *fake) start() {
	f.t.Helper()
	ln, err := net.Listen("tcp", f.addr)
	// A port that was let go may be lent to somebody's connection for a moment.
	for patience := time.Now().Add(10 * time.Second); err != nil && time.Now().Before(patience); {
		time.Sleep(50 * time.Millisecond)
		ln, err = net.Listen("tcp", f.addr)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conns == nil { // the first time; afterwards others read addr
		f.addr, f.conns = ln.Addr().String(), make(map[net.Conn]bool)
	}
	f.ln = ln
	f.wg.Go(func() { f.accept(ln) })
}

// stop closes the listener and all connections and waits for them.
func (f *fake) stop() {
	f.mu.Lock()
	if f.ln != nil {
		f.ln.Close()
		f.ln = nil
	}
	f.mu.Unlock()
	f.cut()
	f.wg.Wait()
}

// cut closes all connections; new ones are taken.
func (f *fake) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for nc := range f.conns {
		nc.Close()
	}
}

func (f *fake) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.conns)
}

func (f *fake) accept(ln net.Listener) {
	for {
		nc, err := ln.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		if f.ln != ln {
			nc.Close()
			f.mu.Unlock()
			return
		}
		f.accepts.Add(1)
		f.conns[nc] = true
		f.wg.Go(func() { f.serve(nc) })
		f.mu.Unlock()
	}
}

// serve reads requests on one goroutine and answers them on another, so that a
// behaviour may wait and still see the connection end.
func (f *fake) serve(raw net.Conn) {
	p := &peer{fake: f, nc: raw, ended: make(chan struct{})}
	defer func() {
		f.mu.Lock()
		delete(f.conns, raw)
		f.mu.Unlock()
	}()
	if f.tls != nil {
		p.nc = tls.Server(raw, f.tls)
	}
	requests := make(chan [][]byte, 1<<16)
	var answering sync.WaitGroup
	answering.Go(func() {
		for args := range requests {
			if !f.answer(p, args) {
				break
			}
		}
		raw.Close()
	})
	parser := resp.NewParser(resp.DefaultLimits)
	var buf []byte
	chunk := make([]byte, 16<<10)
	for {
		n, err := p.nc.Read(chunk)
		if err != nil {
			break
		}
		buf = append(buf, chunk[:n]...)
		for {
			n, err := parser.Next(buf)
			if err != nil || n == 0 {
				break
			}
			args := make([][]byte, len(parser.Args()))
			for i, a := range parser.Args() {
				args[i] = bytes.Clone(a)
			}
			if heard := f.heard.Load(); heard != nil && string(args[0]) == "HMGET" {
				(*heard)(args)
			}
			requests <- args
			buf = buf[n:]
		}
	}
	close(p.ended)
	close(requests)
	raw.Close()
	answering.Wait()
}

func (f *fake) answer(p *peer, args [][]byte) bool {
	name := strings.ToUpper(string(args[0]))
	if name == "HMGET" {
		f.reads.Add(1)
		return (*f.behave.Load())(p, args)
	}
	f.mu.Lock()
	f.commands = append(f.commands, name+string(bytes.Join(append([][]byte{nil}, args[1:]...), []byte(" "))))
	f.mu.Unlock()
	switch name {
	case "AUTH", "READONLY", "ASKING", "PING":
		if greet := f.greet.Load(); greet != nil {
			return (*greet)(p, args)
		}
		return p.say("+OK\r\n")
	case "CLUSTER":
		if slots := f.slots.Load(); slots != nil {
			return p.say(*slots)
		}
		return p.say(disabled)
	}
	return p.say(store(nil)(0, args))
}

// saw counts the commands that begin with prefix.
func (f *fake) saw(prefix string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.commands {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

// echoed is what echo answers: each field's value tells key and field.
func echoed(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args)-2)
	for _, field := range args[2:] {
		b.WriteString(bulk(args[1] + "/" + field))
	}
	return b.String()
}

func echo(p *peer, args [][]byte) bool {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = string(a)
	}
	return p.say(echoed(words...))
}

// hang answers nothing until the connection ends.
func hang(p *peer, _ [][]byte) bool { <-p.ended; return false }

// cut closes the connection in place of an answer.
func cut(*peer, [][]byte) bool { return false }

// says answers the same to all.
func says(reply string) behaviour {
	return func(p *peer, _ [][]byte) bool { return p.say(reply) }
}

// after waits before it answers as next does.
func after(d time.Duration, next behaviour) behaviour {
	return func(p *peer, args [][]byte) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return next(p, args)
		case <-p.ended:
			return false
		}
	}
}

// slotsOf is the reply to CLUSTER SLOTS that gives each group of fakes an equal
// part of the slots.
func slotsOf(shards ...[]*fake) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(shards))
	for i, shard := range shards {
		fmt.Fprintf(&b, "*%d\r\n:%d\r\n:%d\r\n", 2+len(shard), i*Slots/len(shards), (i+1)*Slots/len(shards)-1)
		for _, f := range shard {
			host, port, _ := net.SplitHostPort(f.addr)
			fmt.Fprintf(&b, "*3\r\n%s:%s\r\n%s", bulk(host), port, bulk("id"+port))
		}
	}
	return b.String()
}

// asker is the owner of one fetch. Its Done wipes the Fetch, as an owner that
// uses it again does: whoever touches it afterwards is caught by the race
// detector, or by the missing Owner.
type asker struct {
	fetch   Fetch
	want    string // the right reply
	sent    time.Time
	told    atomic.Int32
	answers chan answer
	flusher Flusher
}

type answer struct {
	reply  string
	joined bool
	err    error
	took   time.Duration
}

func ask(key string, fields ...string) *asker {
	if len(fields) == 0 {
		fields = []string{"1"}
	}
	args := append([]string{"HMGET", key}, fields...)
	a := &asker{want: echoed(args...), answers: make(chan answer, 4)}
	a.fetch = Fetch{Slot: Slot([]byte(key)), Request: resp.AppendCommand(nil, args...), Owner: a, Entity: []byte(key), Began: 1}
	return a
}

func (a *asker) Done(reply []byte, joined bool, err error) Flusher {
	a.told.Add(1)
	a.fetch = Fetch{}
	select {
	case a.answers <- answer{string(reply), joined, err, time.Since(a.sent)}:
	default:
	}
	return a.flusher
}

// allAt says that each of n fields was invalidated at that tick.
func allAt(n int, tick int64) []int64 {
	ticks := make([]int64, n)
	for i := range ticks {
		ticks[i] = tick
	}
	return ticks
}

// send sends the fetches as one batch.
func send(u *Upstream, askers ...*asker) {
	batch := make([]*Fetch, len(askers))
	for i, a := range askers {
		a.sent = time.Now()
		batch[i] = &a.fetch
	}
	u.Send(batch)
}

// wait returns what a was told, and fails the test if that never comes.
func (a *asker) wait(t testing.TB) answer {
	t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case got := <-a.answers:
		return got
	case <-timer.C:
		t.Fatal("the owner was never told")
		return answer{}
	}
}

// mustAnswer wants the right reply.
func (a *asker) mustAnswer(t testing.TB) answer {
	t.Helper()
	got := a.wait(t)
	if got.err != nil || got.reply != a.want {
		t.Fatalf("got %q, %v; want %q", clip(got.reply), got.err, clip(a.want))
	}
	return got
}

// mustFail wants an error that holds all of parts.
func (a *asker) mustFail(t testing.TB, parts ...string) answer {
	t.Helper()
	got := a.wait(t)
	if got.err == nil {
		t.Fatalf("got %q, want an error", clip(got.reply))
	}
	for _, part := range parts {
		if !strings.Contains(got.err.Error(), part) {
			t.Fatalf("the error %q does not say %q", got.err, part)
		}
	}
	return got
}

// get sends one fetch and waits.
func get(t testing.TB, u *Upstream, key string, fields ...string) answer {
	t.Helper()
	a := ask(key, fields...)
	send(u, a)
	return a.wait(t)
}

// until waits for what some other goroutine brings about.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never came about: %s", what)
		}
	}
}

// quiet keeps what is expected to fail out of the output.
var quiet = slog.New(slog.DiscardHandler)

// upstreamOf is an Upstream of plain servers, found and ready, that tests end
// without leaks.
func upstreamOf(t testing.TB, change func(*Config), fakes ...*fake) *Upstream {
	t.Helper()
	u := lookingFor(t, func(c *Config) {
		c.Discovery.Kind = KindStandalone
		if change != nil {
			change(c)
		}
	}, fakes...)
	found(t, u)
	return u
}

// lookingFor is an Upstream that may not have found its store yet.
func lookingFor(t testing.TB, change func(*Config), fakes ...*fake) *Upstream {
	t.Helper()
	cfg := Config{
		Discovery:       DiscoveryConfig{Kind: KindAuto},
		ConnectTimeout:  2 * time.Second,
		FetchTimeout:    5 * time.Second,
		Connections:     1,
		RefreshInterval: time.Hour,
		Log:             quiet,
	}
	for _, f := range fakes {
		cfg.Discovery.Addresses = append(cfg.Discovery.Addresses, f.addr)
	}
	if change != nil {
		change(&cfg)
	}
	u := NewUpstream(cfg)
	t.Cleanup(u.Close)
	return u
}

func found(t testing.TB, u *Upstream) {
	t.Helper()
	until(t, "the store is found", func() bool { topology, _ := u.Topology(); return topology != nil })
}

// keyOf is a key whose slot lies in part i of n equal parts.
func keyOf(i, n int) string {
	for k := 0; ; k++ {
		key := "st_" + strconv.Itoa(k)
		if int(Slot([]byte(key)))*n/Slots == i {
			return key
		}
	}
}
