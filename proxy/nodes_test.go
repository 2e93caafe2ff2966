package proxy_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/proxy/command"
)

// nodes are servers that share the slots equally in order, found through a seed
// that holds nothing.
type nodes struct {
	all  []*miniredis.Miniredis
	seed *fakeStore
}

// startNodes starts n nodes. Strict ones refuse keys of several slots, and those
// of another node, as the nodes of a Redis Cluster do.
func startNodes(t *testing.T, n int, strict bool) *nodes {
	t.Helper()
	ns := &nodes{seed: newFakeStore(t)}
	slots := fmt.Sprintf("*%d\r\n", n)
	for i := range n {
		m := miniredis.RunT(t)
		first, last := i*cluster.Slots/n, (i+1)*cluster.Slots/n-1
		if err := m.Server().Register("READONLY", func(p *server.Peer, _ string, _ []string) { p.WriteOK() }); err != nil {
			t.Fatal(err)
		}
		if strict {
			m.Server().SetPreHook(judgeSlots(first, last))
		}
		host, port, _ := net.SplitHostPort(m.Addr())
		slots += fmt.Sprintf("*3\r\n:%d\r\n:%d\r\n*3\r\n%s:%s\r\n%s", first, last, bulk(host), port, bulk(strings.Repeat(fmt.Sprint(i), 40)))
		ns.all = append(ns.all, m)
	}
	ns.seed.slots = slots
	return ns
}

func judgeSlots(first, last int) server.Hook {
	return func(p *server.Peer, name string, args ...string) bool {
		request := [][]byte{[]byte(name)}
		for _, a := range args {
			request = append(request, []byte(a))
		}
		cmd := command.Resolve(request)
		if cmd == nil {
			return false
		}
		slot := -1
		for _, key := range cmd.Keys(request, nil) {
			s := int(cluster.Slot(key))
			switch {
			case slot >= 0 && s != slot:
				p.WriteError("CROSSSLOT Keys in request don't hash to the same slot (says the node)")
				return true
			case s < first || s > last:
				p.WriteError(fmt.Sprintf("ERR slot %d is not here", s))
				return true
			}
			slot = s
		}
		return false
	}
}

// newStack starts a proxy in front of the nodes.
func (ns *nodes) newStack(t *testing.T, kind string, change ...func(*setup)) *stack {
	t.Helper()
	change = append(change, func(s *setup) { s.cluster.Discovery.Kind = kind })
	return newStack(t, ns.seed.addr, change...)
}
