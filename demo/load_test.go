package demo

import (
	"bytes"
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/fsproxy/fsproxy/resp"
)

// runLoad runs l until enough HMGETs were answered.
func runLoad(t *testing.T, l *Load, enough uint64) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	for l.Sent() < enough {
		select {
		case err := <-ended:
			return err
		default:
			runtime.Gosched()
		}
	}
	cancel()
	return <-ended
}

func TestALoadIsAnsweredWithoutErrors(t *testing.T) {
	d, fleet := newTestData(1, 50), newTestFleet(t, 1, 1)
	if _, err := d.Store(t.Context(), fleet); err != nil {
		t.Fatal(err)
	}
	l := NewLoad(d, fleet.Topology().Nodes()[0], 0)
	if err := runLoad(t, l, 1000); err != nil {
		t.Fatal(err)
	}
	if n, first := l.Errors(); n != 0 || first != "" {
		t.Errorf("%d errors, the first %q", n, first)
	}
}

func TestALoadCountsErrorsAndKeepsTheFirst(t *testing.T) {
	d, fleet := newTestData(1, 50), newTestFleet(t, 1, 1)
	address := fleet.Topology().Nodes()[0]
	client := redis.NewClient(&redis.Options{Addr: address})
	defer client.Close()
	for _, entity := range d.entities[store] {
		if err := client.Set(t.Context(), entity, "no hash", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	l := NewLoad(d, address, 0)
	if err := runLoad(t, l, 1000); err != nil {
		t.Fatal(err)
	}
	if n, first := l.Errors(); n == 0 || n >= l.Sent() || !strings.HasPrefix(first, "WRONGTYPE ") {
		t.Errorf("%d errors of %d HMGETs, the first %q", n, l.Sent(), first)
	}
}

func TestALoadWhoseServerGoesSaysWhichOne(t *testing.T) {
	fleet := newTestFleet(t, 1, 1)
	address := fleet.Topology().Nodes()[0]
	fleet.Close()
	if err := NewLoad(newTestData(1, 50), address, 0).Run(t.Context()); err == nil || !strings.Contains(err.Error(), address) {
		t.Errorf("got %v", err)
	}
}

func TestRepliesAreCutTheSameHoweverTheyArrive(t *testing.T) {
	long := "$100000\r\n" + strings.Repeat("x", 100_000) + "\r\n"
	want := []string{"*2\r\n$1\r\na\r\n$-1\r\n", "-ERR no\r\n", long, "*0\r\n", long}
	for _, piece := range []int{1, 7, 4096, 1 << 20} {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			for rest := []byte(strings.Join(want, "")); len(rest) > 0; {
				n := min(piece, len(rest))
				if piece == 1 && len(rest) > 1000 {
					n = 1000 // the long ones would take long
				}
				if _, err := io.Copy(theirs, bytes.NewReader(rest[:n])); err != nil {
					return
				}
				rest = rest[n:]
			}
		}()
		r := &replies{nc: ours, framer: resp.NewFramer(maxReply), buf: make([]byte, 16)}
		for i, w := range want {
			if got, err := r.next(); err != nil || string(got) != w {
				t.Errorf("pieces of %d, reply %d: %d bytes, %v", piece, i, len(got), err)
			}
		}
		if _, err := r.next(); err == nil {
			t.Error("a reply after the end")
		}
		ours.Close()
	}
}
