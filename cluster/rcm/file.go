package rcm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"go.yaml.in/yaml/v3"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/cluster/rcm/dns"
	"github.com/fsproxy/fsproxy/cluster/rcm/fleet"
	"github.com/fsproxy/fsproxy/cluster/rcm/kubernetes"
)

// maxFile bounds the topology file, in bytes: some 100,000 nodes.
const maxFile = 4 << 20

// Origin is what the RCM's file says: the fleet itself, or where it is found.
// Exactly one of Topology, Kubernetes and DNS is set.
type Origin struct {
	Topology   *cluster.Topology
	Kubernetes *kubernetes.Config
	DNS        *dns.Config

	Version  string   // redis_version, which clients are told; "": a usual one
	Networks Networks // zones by address
}

// Load reads an Origin from a YAML file:
//
//	redis_version: 7.2.4      # optional: what INFO and HELLO tell clients; the store's
//	zones:                    # optional: where clients and nodes are that do not say
//	  eu-1a: [10.1.0.0/16]
//	shards:
//	  - slots: 0-8191         # or several: 0-100,200-300
//	    nodes: ["127.0.0.1:7001", {address: "127.0.0.1:7002", zone: eu-1a}]
//	  - slots: 8192-16383
//	    nodes: ["127.0.0.1:7003"]
//
// or, in place of shards,
//
//	kubernetes: {selector: app=fetcher, shards: 16}
//
// or
//
//	dns:
//	  shards:
//	    - {slots: 0-16383, address: "fetchers-0.features.svc:6379"}
//
// Each slot belongs to exactly one shard and each node to one. The error names
// the file, the line and what to do.
func Load(file string) (*Origin, error) {
	content, err := readFile(file)
	if err != nil {
		return nil, fmt.Errorf("topology file: %w", err)
	}
	return parse(file, content)
}

func readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("%s: longer than %d bytes: list each node once", file, maxFile)
	}
	return content, err
}

// document is what the file may hold.
type document struct {
	RedisVersion text              `yaml:"redis_version"`
	Zones        map[string][]text `yaml:"zones"`
	Shards       []shard           `yaml:"shards"`
	Kubernetes   *pods             `yaml:"kubernetes"`
	DNS          *names            `yaml:"dns"`
}

type shard struct {
	Slots text    `yaml:"slots"`
	Nodes []place `yaml:"nodes"`
}

// line of the file in which a shard stands, or 0.
func (s *shard) line() int {
	if s.Slots.line > 0 {
		return s.Slots.line
	}
	for _, n := range s.Nodes {
		if n.Address.line > 0 {
			return n.Address.line
		}
	}
	return 0
}

// text is a scalar as it is written, and its line.
type text struct {
	value string
	line  int
}

// UnmarshalYAML takes any scalar: a single slot would be a number to YAML.
func (t *text) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: one value is needed here: write ranges as 0-100,200-300 and a node as host:port", node.Line)
	}
	t.value, t.line = node.Value, node.Line
	return nil
}

// place is where a node is: host:port alone, or with its zone.
type place struct {
	Address text `yaml:"address"`
	Zone    text `yaml:"zone"`
}

// UnmarshalYAML takes both forms.
func (p *place) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return p.Address.UnmarshalYAML(node)
	}
	for i := 0; i < len(node.Content); i += 2 {
		switch key, value := node.Content[i], node.Content[i+1]; key.Value {
		case "address":
			if err := p.Address.UnmarshalYAML(value); err != nil {
				return err
			}
		case "zone":
			if err := p.Zone.UnmarshalYAML(value); err != nil {
				return err
			}
		default:
			return fmt.Errorf("line %d: unknown key %q: a node has address and zone", key.Line, key.Value)
		}
	}
	return nil
}

func parse(file string, content []byte) (*Origin, error) {
	var doc document
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, yamlError(file, err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one document: remove what follows the line ---", file)
	}
	if v := doc.RedisVersion; !versionForm.MatchString(v.value) {
		return nil, fmt.Errorf("%s:%d: redis_version %q: write it as the store's INFO has it, as 7.0.15", file, v.line, v.value)
	}
	networks, err := doc.networks()
	if err != nil {
		return nil, fmt.Errorf("%s:%w", file, err)
	}
	origin := &Origin{Version: doc.RedisVersion.value, Networks: networks}
	switch {
	case doc.Kubernetes != nil && doc.DNS != nil, len(doc.Shards) > 0 && (doc.Kubernetes != nil || doc.DNS != nil):
		return nil, fmt.Errorf("%s: more than one source of the fleet: keep one of shards, kubernetes and dns", file)
	case doc.Kubernetes != nil:
		if origin.Kubernetes, err = doc.Kubernetes.config(); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	case doc.DNS != nil:
		if origin.DNS, err = doc.DNS.config(); err != nil {
			return nil, fmt.Errorf("%s:%w", file, err)
		}
	case len(doc.Shards) == 0:
		return nil, fmt.Errorf("%s: no shards: write shards: [{slots: 0-%d, nodes: [\"host:port\"]}]; or a section kubernetes or dns", file, cluster.Slots-1)
	default:
		if origin.Topology, err = doc.topology(file); err != nil {
			return nil, err
		}
	}
	return origin, nil
}

func (d *document) topology(file string) (*cluster.Topology, error) {
	assignments, zones, err := d.assignments()
	if err != nil {
		return nil, fmt.Errorf("%s:%w", file, err)
	}
	topology, err := cluster.NewTopology(cluster.RCM, d.RedisVersion.value, assignments)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return topology.WithZones(zones), nil
}

var versionForm = regexp.MustCompile(`^([0-9]+(\.[0-9]+)*)?$`)

// claims is which shard of the file has which slot.
type claims struct {
	owner [cluster.Slots]int // shard number, from 1; 0: none
	lines []int              // of each shard's slots
}

// take gives ranges to the next shard. The error begins with the line.
func (c *claims) take(ranges []cluster.SlotRange, line int) error {
	c.lines = append(c.lines, line)
	for _, r := range ranges {
		for slot := int(r.First); slot <= int(r.Last); slot++ {
			if o := c.owner[slot]; o != 0 {
				return fmt.Errorf("%d: slot %d belongs to shard %d (line %d) already: give each slot to one shard", line, slot, o, c.lines[o-1])
			}
			c.owner[slot] = len(c.lines)
		}
	}
	return nil
}

// whole tells which slots nobody has.
func (c *claims) whole() error {
	for slot := 0; slot < cluster.Slots; slot++ {
		if c.owner[slot] != 0 {
			continue
		}
		gap := cluster.SlotRange{First: uint16(slot), Last: uint16(slot)}
		for int(gap.Last)+1 < cluster.Slots && c.owner[gap.Last+1] == 0 {
			gap.Last++
		}
		return fmt.Errorf("%d: slots %s belong to no shard: give them to one", c.lines[len(c.lines)-1], gap)
	}
	return nil
}

// assignments checks the shards. Its errors begin with the line.
func (d *document) assignments() (list []cluster.Assignment, zones map[string]string, err error) {
	var slots claims
	zones = make(map[string]string)
	lineOf := make(map[string]int) // where each node was listed
	for i := range d.Shards {
		s := &d.Shards[i]
		a, err := s.assignment(i+1, lineOf, zones)
		if err == nil {
			err = slots.take(a.Slots, s.Slots.line)
		}
		if err != nil {
			return nil, nil, err
		}
		list = append(list, a)
	}
	return list, zones, slots.whole()
}

func (s *shard) assignment(number int, lineOf map[string]int, zones map[string]string) (a cluster.Assignment, err error) {
	if len(s.Nodes) == 0 && s.Slots.value != "" {
		return a, fmt.Errorf("%d: shard %d has no nodes: add nodes: [\"host:port\"]", s.line(), number)
	}
	if a.Slots, err = s.Slots.slots(s.line(), number); err != nil {
		return a, err
	}
	for _, n := range s.Nodes {
		address, zone := n.Address, n.Zone
		if err := cluster.CheckAddress(address.value); err != nil {
			return a, fmt.Errorf("%d: %w: write nodes as host:port", max(address.line, zone.line, s.line()), err)
		}
		if before, ok := lineOf[address.value]; ok {
			return a, fmt.Errorf("%d: node %s was listed before (line %d): list each node once", address.line, address.value, before)
		}
		lineOf[address.value] = address.line
		a.Nodes = append(a.Nodes, address.value)
		if zone.line == 0 {
			continue
		}
		if err := checkZone(zone.value, zone.line); err != nil {
			return a, err
		}
		zones[address.value] = zone.value
	}
	return a, nil
}

// slots reads ranges of slots. line is that of the shard.
func (t text) slots(line, number int) ([]cluster.SlotRange, error) {
	if t.value == "" {
		return nil, fmt.Errorf("%d: shard %d has no slots: add slots: first-last", line, number)
	}
	slots, err := fleet.ParseSlots(t.value)
	if err != nil {
		return nil, fmt.Errorf("%d: slots %q: %w", t.line, t.value, err)
	}
	return slots, nil
}

var (
	yamlLine  = regexp.MustCompile(`line (\d+): (.*)`)
	yamlField = regexp.MustCompile(`^field (.*) not found in type .*$`)
)

// yamlError words yaml's first complaint as the others are worded.
func yamlError(file string, err error) error {
	match := yamlLine.FindStringSubmatch(err.Error())
	if match == nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	says := yamlField.ReplaceAllString(match[2], `unknown key "$1": the keys are redis_version, zones, and one of shards, kubernetes and dns; docs/OPERATIONS.md tells what is within`)
	return fmt.Errorf("%s:%s: %s", file, match[1], says)
}
