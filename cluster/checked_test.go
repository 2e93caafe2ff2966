package cluster

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/resp"
)

// fakeStore answers each request with what reply makes of its number, and goes
// on until the connection closes.
func fakeStore(t *testing.T, reply func(request int, args [][]byte) string) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveListener(t, ln, reply)
	return ln.Addr().String()
}

func serveListener(t *testing.T, ln net.Listener, reply func(request int, args [][]byte) string) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			serveFake(conn, reply)
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-done
	})
}

func serveFake(conn net.Conn, reply func(int, [][]byte) string) {
	defer conn.Close()
	parser := resp.NewParser(resp.DefaultLimits)
	var buf []byte
	chunk := make([]byte, 4096)
	for request := 0; ; {
		n, err := conn.Read(chunk)
		if err != nil {
			return
		}
		buf = append(buf, chunk[:n]...)
		for {
			n, err := parser.Next(buf)
			if err != nil || n == 0 {
				break
			}
			if _, err := io.WriteString(conn, reply(request, parser.Args())); err != nil {
				return
			}
			buf = buf[n:]
			request++
		}
	}
}

// What would panic in rueidis, exhaust memory, or put its replies out of step.
var malicious = map[string]string{
	"negative bulk":          "$-7\r\n",
	"huge array":             "*99999999999\r\n",
	"huge bulk":              "$99999999999\r\n",
	"negative array":         "*-7\r\n",
	"negative map":           "%-1\r\n",
	"negative set":           "~-3\r\n",
	"negative verbatim":      "=-7\r\n",
	"nested negative":        "*1\r\n*1\r\n$-7\r\n",
	"hidden behind null":     "_ab$-7\r\n",
	"hidden behind boolean":  "#tab$-7\r\n",
	"negative map in array":  "*2\r\n+a\r\n%-1\r\n",
	"attribute":              "|-1\r\n+OK\r\n",
	"push":                   ">2\r\n+subscribe\r\n+x\r\n",
	"push in array":          "*1\r\n>1\r\n+x\r\n",
	"streamed string":        "$?\r\n;-5\r\n",
	"streamed array":         "*?\r\n",
	"overflowing length":     "$18446744073709551615\r\n",
	"integer of letters":     ":abc\r\n",
	"empty line":             "\r\n",
	"unknown type":           "?\r\n",
	"bulk without its end":   "$1\r\nabc",
	"deep nesting":           strings.Repeat("*1\r\n", 100),
	"endless line":           "+" + strings.Repeat("a", 1<<17),
	"unsolicited":            "+OK\r\n+OK\r\n+OK\r\n",
	"unsolicited, then none": "+OK\r\n$-7\r\n",
}

func TestHostileRepliesAreErrorsToRueidis(t *testing.T) {
	for name, bad := range malicious {
		for _, pipelining := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				address := fakeStore(t, func(_ int, args [][]byte) string {
					if string(args[0]) == "HELLO" {
						return "*0\r\n"
					}
					return bad
				})
				client, err := rueidis.NewClient(rueidis.ClientOption{
					InitAddress:       []string{address},
					ForceSingleClient: true, DisableCache: true, DisableRetry: true, AlwaysRESP2: true,
					AlwaysPipelining:   pipelining, // the reader is then a goroutine of its own
					PipelineMultiplex:  -1,
					ClientSetInfo:      rueidis.DisableClientSetInfo,
					RingScaleEachConn:  3,
					ReadBufferEachConn: 4096, WriteBufferEachConn: 4096,
					DialCtxFn: dialOnce(),
				})
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				var first, second error
				first = client.Do(ctx, client.B().Get().Key("a").Build()).Error()
				second = client.Do(ctx, client.B().Get().Key("b").Build()).Error()
				if first == nil && second == nil {
					t.Error("both requests were answered")
				}
				if errors.Is(first, context.DeadlineExceeded) || errors.Is(second, context.DeadlineExceeded) {
					t.Errorf("a reader was left waiting: %v, %v", first, second)
				}
			})
		}
	}
}

// dialOnce connects to a store with a checked connection, once: rueidis would
// get over a broken connection with a new one.
func dialOnce() func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
	dialled := false
	return func(ctx context.Context, address string, _ *net.Dialer, _ *tls.Config) (net.Conn, error) {
		if dialled {
			return nil, errors.New("dialled before")
		}
		dialled = true
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		return Checked(conn, MaxReply), nil
	}
}

func TestCheckedPassesHonestRepliesUnchanged(t *testing.T) {
	replies := []string{
		"+OK\r\n",
		"$-1\r\n",
		"*-1\r\n",
		"*3\r\n$1\r\na\r\n$-1\r\n*1\r\n:-12\r\n",
		"-ERR no\r\n",
		"$100000\r\n" + strings.Repeat("x\n", 50000) + "\r\n",
		"%1\r\n+a\r\n_\r\n",
		"=7\r\ntxt:a\r\n\r\n",
		"#t\r\n", ",1.5\r\n", "(123\r\n", "~1\r\n+a\r\n",
	}
	for _, step := range []int{1, 3, 4096, 1 << 20} {
		ours, theirs := net.Pipe()
		conn := Checked(ours, 1<<20)
		go func() {
			stream := []byte(strings.Join(replies, ""))
			var request []byte
			for range replies {
				request = resp.AppendCommand(request, "GET", "k")
			}
			io.ReadFull(theirs, request)
			for len(stream) > 0 {
				n, err := theirs.Write(stream[:min(step, len(stream))])
				if err != nil {
					return
				}
				stream = stream[n:]
			}
			theirs.Close()
		}()
		var request []byte
		for range replies {
			request = resp.AppendCommand(request, "GET", "k")
		}
		for len(request) > 0 { // cut anywhere, as a full buffer cuts
			n, err := conn.Write(request[:min(step, len(request))])
			if err != nil {
				t.Fatal(err)
			}
			request = request[n:]
		}
		got, err := io.ReadAll(conn)
		if err != nil || string(got) != strings.Join(replies, "") {
			t.Errorf("in steps of %d: %d bytes, %v", step, len(got), err)
		}
		conn.Close()
	}
}

func TestCheckedPassesRepliesBeforeTheBadOne(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	conn := Checked(ours, 1<<20)
	defer conn.Close()
	go func() {
		request := resp.AppendCommand(resp.AppendCommand(nil, "PING"), "PING")
		io.ReadFull(theirs, request)
		io.WriteString(theirs, "+PONG\r\n+PONG\r\n+PONG\r\n")
	}()
	if _, err := conn.Write(resp.AppendCommand(resp.AppendCommand(nil, "PING"), "PING")); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if string(got) != "+PONG\r\n+PONG\r\n" || err == nil || !strings.Contains(err.Error(), "no request") {
		t.Errorf("%q, %v", got, err)
	}
}

func TestCheckedBoundsWhatAReplyGrowsInto(t *testing.T) {
	small := bytes.Repeat([]byte("_\r\n"), maxElements)
	frame := append(redcon.AppendArray(nil, maxElements), small...)
	if err := checkReply(frame); err == nil {
		t.Error("more elements than the bound were passed on")
	}
	frame = append(redcon.AppendArray(nil, maxElements-1), small[:3*(maxElements-1)]...)
	if err := checkReply(frame); err != nil {
		t.Error(err)
	}
}

// FuzzChecked feeds replies through Checked into the reader that rueidis has
// for RESP, by way of a whole client.
func FuzzChecked(f *testing.F) {
	for _, bad := range malicious {
		f.Add([]byte(bad))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			reader := bufio.NewReader(theirs)
			request := resp.AppendCommand(nil, "HELLO", "2")
			if _, err := io.ReadFull(reader, request); err != nil {
				return
			}
			if _, err := io.WriteString(theirs, "*0\r\n"); err != nil {
				return
			}
			if _, err := io.ReadFull(reader, resp.AppendCommand(nil, "GET", "a")); err != nil {
				return
			}
			theirs.Write(data)
		}()
		client, err := rueidis.NewClient(rueidis.ClientOption{
			InitAddress:       []string{"fuzz:1"},
			ForceSingleClient: true, DisableCache: true, DisableRetry: true, AlwaysRESP2: true, AlwaysPipelining: true,
			PipelineMultiplex: -1, ClientSetInfo: rueidis.DisableClientSetInfo, RingScaleEachConn: 3,
			ReadBufferEachConn: 4096, WriteBufferEachConn: 4096,
			DialCtxFn: func(context.Context, string, *net.Dialer, *tls.Config) (net.Conn, error) {
				return Checked(ours, 1<<20), nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		client.Do(t.Context(), client.B().Get().Key("a").Build()).ToAny()
		ours.Close()
		client.Close()
	})
}
