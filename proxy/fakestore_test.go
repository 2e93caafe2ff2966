package proxy_test

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
)

// fakeStore is a store whose every reply a test decides. Greetings and
// questions about itself it answers by itself.
type fakeStore struct {
	t    *testing.T
	addr string
	l    net.Listener
	wg   sync.WaitGroup

	// got has the requests in the order in which they came, where answer is nil
	// or declines.
	got chan *fakeRequest

	mu     sync.Mutex // protects what follows
	slots  string     // the reply to CLUSTER SLOTS
	answer func(*fakeRequest) (reply string, ok bool)
	conns  []net.Conn
	seen   []string // all requests that were not about the store itself
}

// fakeRequest is one that the fake was asked.
type fakeRequest struct {
	args []string
	nc   net.Conn
	read string // names the connection and the read that it came with
}

func newFakeStore(t *testing.T) *fakeStore {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeStore{t: t, addr: l.Addr().String(), l: l, got: make(chan *fakeRequest, 1<<16)}
	f.wg.Go(f.accept)
	t.Cleanup(f.close)
	return f
}

func (f *fakeStore) close() {
	_ = f.l.Close()
	f.hangUp()
	f.wg.Wait()
}

// hangUp closes all connections.
func (f *fakeStore) hangUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, nc := range f.conns {
		_ = nc.Close()
	}
	f.conns = nil
}

// answers has every request answered by do; "" leaves it without a reply.
func (f *fakeStore) answers(do func(r *fakeRequest) string) {
	f.answersSome(func(r *fakeRequest) (string, bool) { return do(r), true })
}

// answersSome is answers where do may leave a request to the test.
func (f *fakeStore) answersSome(do func(r *fakeRequest) (reply string, ok bool)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = do
}

func (f *fakeStore) accept() {
	for {
		nc, err := f.l.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.conns = append(f.conns, nc)
		f.mu.Unlock()
		f.wg.Go(func() { f.serve(nc) })
	}
}

func (f *fakeStore) serve(nc net.Conn) {
	defer nc.Close()
	parser := resp.NewParser(resp.DefaultLimits)
	var buf []byte
	chunk := make([]byte, 1<<20)
	for reads := 0; ; reads++ {
		n, err := nc.Read(chunk)
		if err != nil {
			return
		}
		buf = append(buf, chunk[:n]...)
		for len(buf) > 0 {
			n, err := parser.Next(buf)
			if err != nil {
				f.t.Errorf("the store was sent %.100q: %v", buf, err)
				return
			}
			if n == 0 {
				break
			}
			r := &fakeRequest{nc: nc, read: fmt.Sprint(nc.RemoteAddr(), " ", reads)}
			for _, a := range parser.Args() {
				r.args = append(r.args, string(a))
			}
			buf = buf[n:]
			f.take(r)
		}
	}
}

func (f *fakeStore) take(r *fakeRequest) {
	f.mu.Lock()
	slots, answer := f.slots, f.answer
	f.mu.Unlock()
	switch name := strings.ToUpper(r.args[0]); {
	case name == "INFO":
		r.reply(bulk("# Server\r\nredis_version:7.0.15\r\n"))
	case name == "CLUSTER":
		if slots == "" {
			slots = "-ERR This instance has cluster support disabled\r\n"
		}
		r.reply(slots)
	case name == "CLIENT" && strings.EqualFold(r.args[1], "setname"), name == "READONLY", name == "AUTH", name == "HELLO", name == "PING":
		r.reply("+OK\r\n")
	default:
		f.mu.Lock()
		f.seen = append(f.seen, strings.Join(r.args, " "))
		f.mu.Unlock()
		if answer != nil {
			if reply, ok := answer(r); ok {
				r.reply(reply)
				return
			}
		}
		f.got <- r
	}
}

func (r *fakeRequest) reply(s string) { _, _ = r.nc.Write([]byte(s)) }

func (r *fakeRequest) String() string { return strings.Join(r.args, " ") }

// next waits for a request that do leaves to the test.
func (f *fakeStore) next() *fakeRequest {
	f.t.Helper()
	select {
	case r := <-f.got:
		return r
	case <-time.After(patience):
		f.t.Fatal("no request came to the store")
		return nil
	}
}

// wants waits for a request and compares it.
func (f *fakeStore) wants(words string) *fakeRequest {
	f.t.Helper()
	r := f.next()
	if r.String() != words {
		f.t.Fatalf("the store was asked %.200q, want %.200q", r, words)
	}
	return r
}

// asked is how many requests came that hold text.
func (f *fakeStore) asked(text string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.seen {
		if strings.Contains(s, text) {
			n++
		}
	}
	return n
}

// owns makes each of nodes answer that they share the slots equally in order.
func owns(nodes ...*fakeStore) {
	reply := fmt.Sprintf("*%d\r\n", len(nodes))
	size := cluster.Slots / len(nodes)
	for i, n := range nodes {
		last := (i+1)*size - 1
		if i == len(nodes)-1 {
			last = cluster.Slots - 1
		}
		host, port, _ := net.SplitHostPort(n.addr)
		reply += fmt.Sprintf("*3\r\n:%d\r\n:%d\r\n*3\r\n%s:%s\r\n%s", i*size, last, bulk(host), port, bulk(strings.Repeat(strconv.Itoa(i), 40)))
	}
	for _, n := range nodes {
		n.mu.Lock()
		n.slots = reply
		n.mu.Unlock()
	}
}

// asCluster has the stack take the store for a Redis Cluster.
func asCluster(s *setup) { s.cluster.Discovery.Kind = cluster.KindCluster }

// wantsAll waits for requests that come over several connections, and so in any
// order.
func (f *fakeStore) wantsAll(words ...string) map[string]*fakeRequest {
	f.t.Helper()
	all := map[string]*fakeRequest{}
	for range words {
		r := f.next()
		all[r.String()] = r
	}
	for _, w := range words {
		if all[w] == nil {
			f.t.Fatalf("the store was asked %v, want %q", all, words)
		}
	}
	return all
}
