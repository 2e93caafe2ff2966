package rcm

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/fsproxy/fsproxy/cluster/rcm/dns"
	"github.com/fsproxy/fsproxy/cluster/rcm/fleet"
	"github.com/fsproxy/fsproxy/cluster/rcm/kubernetes"
)

// leastInterval keeps a slip of the pen from asking name servers all the time.
const leastInterval = time.Second

// pods is the section kubernetes of the file.
type pods struct {
	Selector   string   `yaml:"selector"`
	Namespaces []string `yaml:"namespaces"`
	Shards     int      `yaml:"shards"`
	Port       string   `yaml:"port"`
	ShardKey   string   `yaml:"shard_key"`
	SlotsKey   string   `yaml:"slots_key"`
	PortKey    string   `yaml:"port_key"`
	ZoneKey    string   `yaml:"zone_key"`
	Server     string   `yaml:"server"`
	TokenFile  string   `yaml:"token_file"`
	CAFile     string   `yaml:"ca_file"`
}

func (p *pods) config() (*kubernetes.Config, error) {
	c := &kubernetes.Config{
		Selector: p.Selector, Namespaces: p.Namespaces, Shards: p.Shards, Port: p.Port,
		ShardKey: p.ShardKey, SlotsKey: p.SlotsKey, PortKey: p.PortKey, ZoneKey: p.ZoneKey,
		Server: p.Server, TokenFile: p.TokenFile, CAFile: p.CAFile,
	}
	if p.Selector == "" {
		return nil, errors.New("kubernetes.selector is empty: name the labels of the fetchers' Pods, as app=fetcher")
	}
	return c, c.Check()
}

// names is the section dns of the file.
type names struct {
	Interval text   `yaml:"interval"`
	Keep     text   `yaml:"keep"`
	Shards   []name `yaml:"shards"`
}

type name struct {
	Slots   text `yaml:"slots"`
	Address text `yaml:"address"`
	SRV     text `yaml:"srv"`
}

// config checks the section. Its errors begin with the line, or a blank.
func (n *names) config() (*dns.Config, error) {
	c := new(dns.Config)
	for _, d := range []struct {
		text  text
		key   string
		least time.Duration
		value *time.Duration
	}{
		{n.Interval, "interval", leastInterval, &c.Interval},
		{n.Keep, "keep", leastInterval, &c.Keep},
	} {
		if d.text.value == "" {
			continue
		}
		value, err := time.ParseDuration(d.text.value)
		if err != nil || value < d.least {
			return nil, fmt.Errorf("%d: dns.%s %q: write a duration of at least %s, as 10s", d.text.line, d.key, d.text.value, d.least)
		}
		*d.value = value
	}
	if len(n.Shards) == 0 {
		return nil, errors.New(" dns.shards is empty: write shards: [{slots: 0-16383, address: \"fetchers-0.features.svc:6379\"}]")
	}
	var slots claims
	for i, s := range n.Shards {
		line := max(s.Slots.line, s.Address.line, s.SRV.line)
		shard := dns.Shard{Name: s.Address.value, SRV: s.SRV.value}
		var err error
		if shard.Slots, err = s.Slots.slots(line, i+1); err != nil {
			return nil, err
		}
		if err := shard.Check(); err != nil {
			return nil, fmt.Errorf("%d: shard %d: %w", line, i+1, err)
		}
		if err := slots.take(shard.Slots, line); err != nil {
			return nil, err
		}
		c.Shards = append(c.Shards, shard)
	}
	return c, slots.whole()
}

func checkZone(zone string, line int) error {
	if fleet.ValidZone(zone) {
		return nil
	}
	return fmt.Errorf("%d: zone %q: write up to 63 letters, digits, '-', '_' and '.'", line, zone)
}

// networks reads the section zones.
func (d *document) networks() (networks Networks, err error) {
	at := make(map[netip.Prefix]string)
	for zone, prefixes := range d.Zones {
		for _, p := range prefixes {
			if err := checkZone(zone, p.line); err != nil {
				return nil, err
			}
			prefix, err := netip.ParsePrefix(p.value)
			if err != nil {
				return nil, fmt.Errorf("%d: network %q: write address/bits, as 10.1.0.0/16", p.line, p.value)
			}
			prefix = prefix.Masked()
			if other, ok := at[prefix]; ok {
				return nil, fmt.Errorf("%d: network %s is in zone %s and in %s: name it once", p.line, prefix, min(other, zone), max(other, zone))
			}
			at[prefix] = zone
			networks = append(networks, Network{Prefix: prefix, Zone: zone})
		}
	}
	return networks.sorted(), nil
}
