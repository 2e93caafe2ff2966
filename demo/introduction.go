package demo

import (
	"fmt"
	"net"
	"strings"
)

// Introduction says what runs, and what to try.
type Introduction struct {
	Data     *Data
	Features int // that the fleet holds
	Fleet    *Fleet
	Proxy    string // host:port
	Metrics  string // URL
}

// String is some lines of at most 80 columns.
func (i Introduction) String() string {
	topology := i.Fleet.Topology()
	entity, features := i.Data.Example()
	proxy, rcm := port(i.Proxy), port(i.Fleet.RCM())
	var b strings.Builder
	fmt.Fprintf(&b, "fsproxy demo, all of it in this process:\n\n")
	fmt.Fprintf(&b, "  fleet    %d fetchers in %d shards: %s features of %s entities\n",
		len(topology.Nodes()), len(topology.Shards), grouped(i.Features), grouped(i.Data.Entities()))
	fmt.Fprintf(&b, "  RCM      %s\n  proxy    %s\n  metrics  %s\n\n", i.Fleet.RCM(), i.Proxy, i.Metrics)
	fmt.Fprintf(&b, "Try in another terminal:\n\n  redis-cli -p %s HMGET %s", proxy, entity)
	for _, f := range features {
		b.WriteString(" " + f.ID)
	}
	for _, f := range features {
		fmt.Fprintf(&b, "\n      # %-10s is %s", f.ID, f.Name)
	}
	fmt.Fprintf(&b, "\n  redis-cli -p %s HGETALL %s\n  redis-cli -p %s INFO\n", proxy, entity, proxy)
	fmt.Fprintf(&b, "  redis-cli -p %s CLUSTER SLOTS\n  curl -s %s | grep ^fsproxy_\n", rcm, i.Metrics)
	return b.String()
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address) // of a listener, so there is one
	return port
}
