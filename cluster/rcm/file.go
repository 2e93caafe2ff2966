package rcm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fsproxy/fsproxy/cluster"
)

// maxFile bounds the topology file, in bytes: some 100,000 nodes.
const maxFile = 4 << 20

// Load reads the topology from a YAML file:
//
//	redis_version: 7.2.4      # optional: what INFO and HELLO tell clients; the store's
//	shards:
//	  - slots: 0-8191         # or several: 0-100,200-300
//	    nodes: ["127.0.0.1:7001", "127.0.0.1:7002"]
//	  - slots: 8192-16383
//	    nodes: ["127.0.0.1:7003"]
//
// Each slot belongs to exactly one shard and each node to one. The error names
// the file, the line and what to do.
func Load(file string) (*cluster.Topology, error) {
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
	RedisVersion text    `yaml:"redis_version"`
	Shards       []shard `yaml:"shards"`
}

type shard struct {
	Slots text   `yaml:"slots"`
	Nodes []text `yaml:"nodes"`
}

// line of the file in which a shard stands, or 0.
func (s *shard) line() int {
	for _, t := range append([]text{s.Slots}, s.Nodes...) {
		if t.line > 0 {
			return t.line
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

func parse(file string, content []byte) (*cluster.Topology, error) {
	var doc document
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, yamlError(file, err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one document: remove what follows the line ---", file)
	}
	if len(doc.Shards) == 0 {
		return nil, fmt.Errorf("%s: no shards: write shards: [{slots: 0-%d, nodes: [\"host:port\"]}]", file, cluster.Slots-1)
	}
	if v := doc.RedisVersion; !versionForm.MatchString(v.value) {
		return nil, fmt.Errorf("%s:%d: redis_version %q: write it as the store's INFO has it, as 7.0.15", file, v.line, v.value)
	}
	assignments, err := doc.assignments()
	if err != nil {
		return nil, fmt.Errorf("%s:%w", file, err)
	}
	topology, err := cluster.NewTopology(cluster.RCM, doc.RedisVersion.value, assignments)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return topology, nil
}

var versionForm = regexp.MustCompile(`^([0-9]+(\.[0-9]+)*)?$`)

// assignments checks the shards. Its errors begin with the line.
func (d *document) assignments() ([]cluster.Assignment, error) {
	var owner [cluster.Slots]int    // shard number, from 1; 0: none
	lineOf := make(map[string]text) // where each node was listed
	var list []cluster.Assignment   //
	for i := range d.Shards {
		s := &d.Shards[i]
		a, err := s.assignment(i+1, lineOf)
		if err != nil {
			return nil, err
		}
		for _, r := range a.Slots {
			for slot := int(r.First); slot <= int(r.Last); slot++ {
				if o := owner[slot]; o != 0 {
					return nil, fmt.Errorf("%d: slot %d belongs to shard %d (line %d) already: give each slot to one shard",
						s.Slots.line, slot, o, d.Shards[o-1].Slots.line)
				}
				owner[slot] = i + 1
			}
		}
		list = append(list, a)
	}
	for slot := 0; slot < cluster.Slots; slot++ {
		if owner[slot] != 0 {
			continue
		}
		gap := cluster.SlotRange{First: uint16(slot), Last: uint16(slot)}
		for int(gap.Last)+1 < cluster.Slots && owner[gap.Last+1] == 0 {
			gap.Last++
		}
		return nil, fmt.Errorf("%d: slots %s belong to no shard: give them to one", d.Shards[len(d.Shards)-1].Slots.line, gap)
	}
	return list, nil
}

func (s *shard) assignment(number int, lineOf map[string]text) (a cluster.Assignment, err error) {
	if s.Slots.value == "" {
		return a, fmt.Errorf("%d: shard %d has no slots: add slots: first-last", s.line(), number)
	}
	if len(s.Nodes) == 0 {
		return a, fmt.Errorf("%d: shard %d has no nodes: add nodes: [\"host:port\"]", s.line(), number)
	}
	for part := range strings.SplitSeq(s.Slots.value, ",") {
		r, err := parseRange(strings.TrimSpace(part))
		if err != nil {
			return a, fmt.Errorf("%d: slots %q: %w", s.Slots.line, s.Slots.value, err)
		}
		a.Slots = append(a.Slots, r)
	}
	for _, node := range s.Nodes {
		if err := cluster.CheckAddress(node.value); err != nil {
			return a, fmt.Errorf("%d: %w: write nodes as host:port", node.line, err)
		}
		if before, ok := lineOf[node.value]; ok {
			return a, fmt.Errorf("%d: node %s was listed before (line %d): list each node once", node.line, node.value, before.line)
		}
		lineOf[node.value] = node
		a.Nodes = append(a.Nodes, node.value)
	}
	return a, nil
}

func parseRange(s string) (cluster.SlotRange, error) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	a, err1 := strconv.ParseUint(strings.TrimSpace(first), 10, 16)
	b, err2 := strconv.ParseUint(strings.TrimSpace(last), 10, 16)
	if err1 != nil || err2 != nil || a > b || b >= cluster.Slots {
		return cluster.SlotRange{}, fmt.Errorf("%q is no range within 0-%d: write first-last, both included", s, cluster.Slots-1)
	}
	return cluster.SlotRange{First: uint16(a), Last: uint16(b)}, nil
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
	says := yamlField.ReplaceAllString(match[2], `unknown key "$1": the keys are redis_version and shards, and of a shard slots and nodes`)
	return fmt.Errorf("%s:%s: %s", file, match[1], says)
}
