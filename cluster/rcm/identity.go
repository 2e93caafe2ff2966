package rcm

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/cluster/rcm/fleet"
)

// identity is who a client is, as far as its view goes.
type identity struct {
	hash uint64
	ip   netip.Addr // invalid: not known, as behind a Unix socket
	zone string     // announced; "": none was
}

// identify tells who is at address and has announced name: the id in
// "fsproxy:id@zone", or else the address. The port is left out: it is another
// for each connection of one client.
func identify(address net.Addr, name string) (who identity) {
	id := ""
	if host, _, err := net.SplitHostPort(address.String()); err == nil {
		id = host
		if ip, err := netip.ParseAddr(host); err == nil {
			who.ip = ip.Unmap().WithZone("")
			id = who.ip.String()
		}
	}
	if announced, ok := strings.CutPrefix(name, cluster.ClientNamePrefix); ok {
		own, zone, _ := strings.Cut(announced, "@")
		if own != "" {
			id = "id " + own // no address has a blank
		}
		if fleet.ValidZone(zone) {
			who.zone = zone
		}
	}
	who.hash = hash(id)
	return who
}

// Network says in which zone the addresses of a network are.
type Network struct {
	Prefix netip.Prefix
	Zone   string
}

// Networks tell the zones of clients and nodes that do not say theirs. Of
// several that hold an address the longest prefix goes.
type Networks []Network

func (n Networks) sorted() Networks {
	n = slices.Clone(n)
	slices.SortFunc(n, func(a, b Network) int {
		return cmp.Or(cmp.Compare(b.Prefix.Bits(), a.Prefix.Bits()), a.Prefix.Addr().Compare(b.Prefix.Addr()))
	})
	return n
}

func (n Networks) zone(ip netip.Addr) string {
	for _, network := range n {
		if network.Prefix.Contains(ip) {
			return network.Zone
		}
	}
	return ""
}
