//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// A client that leaves while it is blocked leaves the store as well, before
// another client's write can be spent on it. Redis gives it up at once; nothing
// of fsproxy's own may hold it longer, here a fetch timeout of a minute.
func TestBlockedClientThatLeavesTakesNothing(t *testing.T) {
	s := startStore(t)
	p := startConfiguredProxy(t, fmt.Sprintf(`
upstream: {discovery: standalone, addresses: [%s], fetch_timeout: 1m, connect_timeout: 5s}
`, s.addr))
	direct, blocked := dialWire(t, s.addr), dialWire(t, p.addr)
	waitForBlocked := func(n string) {
		t.Helper()
		eventually(t, n+" blocked clients", func() error {
			if info := direct.do(t, "INFO", "clients"); !strings.Contains(info, "blocked_clients:"+n+"\r\n") {
				return fmt.Errorf("the store says %q", info)
			}
			return nil
		})
	}
	if _, err := blocked.Write(appendCommand(appendCommand(nil, "BLPOP", "q", "0"), "SET", "s", "v")); err != nil {
		t.Fatal(err)
	}
	waitForBlocked("1")
	if err := blocked.Close(); err != nil {
		t.Fatal(err)
	}
	waitForBlocked("0")
	direct.do(t, "RPUSH", "q", "v")
	if got, want := direct.do(t, "LLEN", "q"), ":1\r\n"; got != want {
		t.Errorf("the list has %q elements, want %q", got, want)
	}
	if got, want := direct.do(t, "EXISTS", "s"), ":0\r\n"; got != want {
		t.Errorf("what follows the blocked request was carried out: EXISTS says %q", got)
	}
}
