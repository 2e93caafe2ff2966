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
	Stream   *Stream
	Page     string // URL of the status page; the metrics are below it
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
	fmt.Fprintf(&b, "  RCM      %s\n  Kafka    %s, topic %s\n  proxy    %s\n  page     %s\n\n",
		i.Fleet.RCM(), strings.Join(i.Stream.Brokers(), ","), Topic, i.Proxy, i.Page)
	fmt.Fprintf(&b, "Try in another terminal:\n\n  redis-cli -p %s HMGET %s", proxy, entity)
	for _, f := range features {
		b.WriteString(" " + f.ID)
	}
	for _, f := range features {
		fmt.Fprintf(&b, "\n      # %-10s is %s", f.ID, f.Name)
	}
	fmt.Fprintf(&b, "\n  redis-cli -p %s HGETALL %s\n  redis-cli -p %s INFO\n", proxy, entity, proxy)
	fmt.Fprintf(&b, "  redis-cli -p %s CLUSTER SLOTS\n  curl -s %smetrics | grep ^fsproxy_\n", rcm, i.Page)
	return b.String()
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address) // of a listener, so there is one
	return port
}
