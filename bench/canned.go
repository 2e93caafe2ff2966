package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
)

// CannedServer accepts connections from listener until ctx ends and answers
// each complete request, whatever it asks, with reply.
type CannedServer func(ctx context.Context, listener net.Listener, reply []byte) error

// Canned is the server behind `bench canned`. What it costs is what a connection
// loop costs that does nothing for a request, so the proxy's cost beyond it is
// what looking up costs. The program puts the proxy's own connection loop here,
// which tells a known request by all of its bytes; the one in this package, used
// where nothing else is set, looks at little more than lengths.
var Canned CannedServer = serveCanned

// CannedReply is the reply to an HMGET of fields values of bytes each.
func CannedReply(fields, bytes int) []byte {
	reply := appendHeader(nil, '*', fields)
	value := []byte(strings.Repeat("7", bytes))
	for range fields {
		reply = appendBulk(reply, value)
	}
	return reply
}

// RunCanned listens on address and serves canned replies until ctx ends.
func RunCanned(ctx context.Context, address string, fields, bytes int) error {
	network, address := splitAddress(address)
	listener, err := (&net.ListenConfig{}).Listen(ctx, network, address)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", address, err)
	}
	return Canned(ctx, listener, CannedReply(fields, bytes))
}

// serveCanned is a goroutine a connection: read, count, write.
func serveCanned(ctx context.Context, listener net.Listener, reply []byte) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a connection: %w", err)
		}
		conns.Go(func() { answerCanned(ctx, conn, reply) })
	}
}

// answerCanned serves one connection. It reads and writes like any server does:
// all that is there at once.
func answerCanned(ctx context.Context, conn net.Conn, reply []byte) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	in, start, end, usual := make([]byte, readBuffer), 0, 0, 0
	var out []byte
	for {
		n, err := conn.Read(in[end:])
		if err != nil {
			return
		}
		end += n
		for start < end {
			length, err := requestLength(in[start:end], usual)
			if err != nil {
				return
			}
			if length == 0 {
				break
			}
			start, usual = start+length, length
			out = append(out, reply...)
		}
		if len(out) > 0 {
			if _, err := conn.Write(out); err != nil {
				return
			}
			out = out[:0]
		}
		end = copy(in, in[start:end])
		if start = 0; end == len(in) {
			in = append(in, make([]byte, len(in))...)
		}
	}
}

// requestLength frames a request. One as long as the one before it is recognised
// without a look at its arguments, as a server with canned replies may: its end
// and the next one's beginning are where they would be.
func requestLength(buf []byte, usual int) (int, error) {
	if usual > 0 && usual <= len(buf) && buf[0] == '*' && buf[usual-1] == '\n' && (usual == len(buf) || buf[usual] == '*') {
		return usual, nil
	}
	return frameLength(buf)
}
