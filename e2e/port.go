//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
)

const (
	// firstPort and portCount bound the ports handed out. They lie below the
	// kernel's usual range of ephemeral ports (from 32768), so that no outgoing
	// connection takes one between its choice and its use, or while a server
	// that the test stopped is waiting to be started on it again.
	firstPort = 20000
	portCount = 10000
	// portsPerRun spaces the starting points of processes that run at once.
	portsPerRun = 97
)

// portCursor counts the ports looked at; it starts elsewhere for each process.
var portCursor atomic.Int64

func init() { portCursor.Store(int64(os.Getpid()) * portsPerRun) }

// freePort returns a loopback port that nothing listens on. No port is
// returned twice.
func freePort(t testing.TB) int {
	t.Helper()
	for range portCount {
		port := firstPort + int(portCursor.Add(1)%portCount)
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatalf("closing the probe of port %d: %v", port, err)
		}
		return port
	}
	t.Fatalf("no free port from %d to %d", firstPort, firstPort+portCount-1)
	return 0
}

// loopback returns the address of a port on 127.0.0.1.
func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
