package cluster

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// The parsers below take replies as rueidis' ToAny gives them (string, int64,
// []any, map[string]any, nil, error) and the address that was asked, whose host
// stands in where a node's own is left empty. Nodes that failed, or whose
// address is not known, are left out, and with them the slots that only they
// held; NewTopology checks the rest.

// nodeAddress joins what a reply says of a node's address. False means that
// the address is not known.
func nodeAddress(host string, port int64, asked string) (string, bool, error) {
	if host == "?" || port == 0 {
		return "", false, nil
	}
	if host == "" {
		host, _, _ = net.SplitHostPort(asked)
	}
	if port < 0 || port > 65535 {
		return "", false, fmt.Errorf("port %d of node %q is not between 1 and 65535", port, clip(host))
	}
	address := net.JoinHostPort(host, strconv.FormatInt(port, 10))
	return address, true, CheckAddress(address)
}

// slotRange checks what a reply says of a range before it is narrowed.
func slotRange(first, last int64) (SlotRange, error) {
	if first < 0 || last < first || last >= Slots {
		return SlotRange{}, fmt.Errorf("slots %d to %d are not a range within 0-%d", first, last, Slots-1)
	}
	return SlotRange{uint16(first), uint16(last)}, nil
}

// distinct drops the later of equal addresses.
func distinct(nodes []string) []string {
	seen := make(map[string]struct{}, len(nodes))
	kept := nodes[:0]
	for _, node := range nodes {
		if _, ok := seen[node]; !ok {
			seen[node] = struct{}{}
			kept = append(kept, node)
		}
	}
	return kept
}

// parseSlots reads the reply to CLUSTER SLOTS: of each range its ends, then its
// nodes, the primary first, each [host, port, id, metadata…], of which servers
// before 7.0 lack the metadata.
func parseSlots(reply any, asked string) ([]Assignment, error) {
	entries, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("CLUSTER SLOTS: the reply is %s, not an array", typeName(reply))
	}
	if len(entries) > Slots {
		return nil, fmt.Errorf("CLUSTER SLOTS: %d ranges, more than there are slots", len(entries))
	}
	assignments := make([]Assignment, 0, len(entries))
	for i, entry := range entries {
		a, err := parseSlotsEntry(entry, asked)
		if err != nil {
			return nil, fmt.Errorf("CLUSTER SLOTS: entry %d: %w", i, err)
		}
		if len(a.Nodes) > 0 {
			assignments = append(assignments, a)
		}
	}
	return assignments, nil
}

func parseSlotsEntry(entry any, asked string) (a Assignment, err error) {
	fields, ok := entry.([]any)
	if !ok || len(fields) < 3 {
		return a, fmt.Errorf("%s is not [first, last, node, …]", typeName(entry))
	}
	first, ok1 := fields[0].(int64)
	last, ok2 := fields[1].(int64)
	if !ok1 || !ok2 {
		return a, errors.New("the ends of the range are not integers")
	}
	r, err := slotRange(first, last)
	if err != nil {
		return a, err
	}
	a.Slots = []SlotRange{r}
	for _, field := range fields[2:] {
		node, ok := field.([]any)
		if !ok || len(node) < 2 {
			return a, fmt.Errorf("node %s is not [host, port, …]", typeName(field))
		}
		host, ok1 := node[0].(string)
		port, ok2 := node[1].(int64)
		if !ok2 || (!ok1 && node[0] != nil) {
			return a, fmt.Errorf("node [%s, %s, …] is not [host, port, …]", typeName(node[0]), typeName(node[1]))
		}
		address, known, err := nodeAddress(host, port, asked)
		if err != nil {
			return a, err
		}
		if known {
			a.Nodes = append(a.Nodes, address)
		}
	}
	a.Nodes = distinct(a.Nodes)
	return a, nil
}

// parseShards reads the reply to CLUSTER SHARDS: of each shard its slots and
// its nodes, as maps or, in RESP2, as flat arrays of names and values. With
// secure, a node's tls-port is preferred to its port.
func parseShards(reply any, asked string, secure bool) ([]Assignment, error) {
	entries, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("CLUSTER SHARDS: the reply is %s, not an array", typeName(reply))
	}
	var assignments []Assignment
	for i, entry := range entries {
		a, err := parseShard(entry, asked, secure)
		if err != nil {
			return nil, fmt.Errorf("CLUSTER SHARDS: shard %d: %w", i, err)
		}
		if len(a.Nodes) > 0 && len(a.Slots) > 0 {
			assignments = append(assignments, a)
		}
	}
	return assignments, nil
}

func parseShard(entry any, asked string, secure bool) (a Assignment, err error) {
	shard, err := parseMap(entry)
	if err != nil {
		return a, err
	}
	ends, ok1 := shard["slots"].([]any)
	nodes, ok2 := shard["nodes"].([]any)
	if !ok1 || !ok2 || len(ends)%2 != 0 || len(ends) > 2*Slots {
		return a, errors.New(`it has no "slots" in pairs, or no "nodes"`)
	}
	for i := 0; i < len(ends); i += 2 {
		first, ok1 := parseNumber(ends[i])
		last, ok2 := parseNumber(ends[i+1])
		if !ok1 || !ok2 {
			return a, errors.New("the ends of a range are not integers")
		}
		r, err := slotRange(first, last)
		if err != nil {
			return a, err
		}
		a.Slots = append(a.Slots, r)
	}
	var replicas []string
	for i, n := range nodes {
		address, primary, err := parseShardNode(n, asked, secure)
		switch {
		case err != nil:
			return a, fmt.Errorf("node %d: %w", i, err)
		case address == "":
		case primary:
			a.Nodes = append(a.Nodes, address)
		default:
			replicas = append(replicas, address)
		}
	}
	a.Nodes = distinct(append(a.Nodes, replicas...))
	return a, nil
}

// parseShardNode returns "" for a node that has failed or whose address is not
// known.
func parseShardNode(entry any, asked string, secure bool) (address string, primary bool, err error) {
	node, err := parseMap(entry)
	if err != nil {
		return "", false, err
	}
	if health, _ := node["health"].(string); health == "fail" {
		return "", false, nil
	}
	host := ""
	for _, name := range []string{"endpoint", "ip", "hostname"} {
		if h, _ := node[name].(string); h != "" && (host == "" || host == "?") {
			host = h
		}
	}
	port, ok := parseNumber(node["port"])
	if p, has := parseNumber(node["tls-port"]); has && p != 0 && (secure || !ok) {
		port, ok = p, true
	}
	if !ok {
		return "", false, errors.New(`it has neither "port" nor "tls-port"`)
	}
	address, known, err := nodeAddress(host, port, asked)
	if err != nil || !known {
		return "", false, err
	}
	role, _ := node["role"].(string)
	return address, role == "master" || role == "primary", nil
}

// parseZones reads from the reply to CLUSTER SHARDS what its nodes say of their
// "availability-zone"; "": nothing. What is not in that form tells of nobody: that
// is no reason to do without the topology.
func parseZones(reply any, asked string, secure bool) map[string]string {
	zones := make(map[string]string)
	entries, _ := reply.([]any)
	for _, entry := range entries {
		shard, err := parseMap(entry)
		if err != nil {
			continue
		}
		nodes, _ := shard["nodes"].([]any)
		for _, n := range nodes {
			node, err := parseMap(n)
			if err != nil {
				continue
			}
			zone, _ := node["availability-zone"].(string)
			if address, _, err := parseShardNode(n, asked, secure); err == nil && address != "" {
				zones[address] = zone
			}
		}
	}
	return zones
}

// parseMap reads a map of either protocol version.
func parseMap(v any) (map[string]any, error) {
	switch v := v.(type) {
	case map[string]any:
		return v, nil
	case []any:
		if len(v)%2 != 0 {
			return nil, errors.New("a map with a name that has no value")
		}
		m := make(map[string]any, len(v)/2)
		for i := 0; i < len(v); i += 2 {
			name, ok := v[i].(string)
			if !ok {
				return nil, fmt.Errorf("a map with %s for a name", typeName(v[i]))
			}
			m[name] = v[i+1]
		}
		return m, nil
	}
	return nil, fmt.Errorf("%s is not a map", typeName(v))
}

// parseNumber reads an integer; some servers send them as strings.
func parseNumber(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil
	}
	return 0, false
}

// parseNodes reads the reply to CLUSTER NODES, one line a node:
//
//	id ip:port@cport[,hostname] flags primary ping pong epoch link slot…
func parseNodes(reply any, asked string) ([]Assignment, error) {
	text, ok := reply.(string)
	if !ok {
		return nil, fmt.Errorf("CLUSTER NODES: the reply is %s, not text", typeName(reply))
	}
	var primaries, replicas []nodeLine
	count := 0
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			continue
		}
		if count++; count > maxNodes {
			return nil, fmt.Errorf("CLUSTER NODES: more than %d nodes", maxNodes)
		}
		node, err := parseNodeLine(line, asked)
		if err != nil {
			return nil, fmt.Errorf("CLUSTER NODES: line %d: %w", count, err)
		}
		if node.primary == "" {
			primaries = append(primaries, node)
		} else {
			replicas = append(replicas, node)
		}
	}
	return joinNodeLines(primaries, replicas), nil
}

// nodeLine is what is needed of a line of CLUSTER NODES.
type nodeLine struct {
	id      string
	address string // "" when the node is not to be used
	primary string // id of the node that it replicates; "" for a primary
	slots   []SlotRange
}

func parseNodeLine(line, asked string) (n nodeLine, err error) {
	fields := strings.Fields(line)
	if len(fields) < 8 {
		return n, fmt.Errorf("%d fields where 8 are needed: %q", len(fields), clip(line))
	}
	n.id = fields[0]
	if fields[3] != "-" {
		n.primary = fields[3]
	}
	usable := true
	for flag := range strings.SplitSeq(fields[2], ",") {
		switch flag {
		case "fail", "handshake", "noaddr":
			usable = false
		}
	}
	if usable {
		if n.address, err = parseNodeAddress(fields[1], asked); err != nil {
			return n, err
		}
	}
	for _, field := range fields[8:] {
		if field[0] == '[' { // a slot on its way to or from this node, which owns it or not by its other fields
			continue
		}
		first, last, isRange := strings.Cut(field, "-")
		if !isRange {
			last = first
		}
		a, err1 := strconv.ParseInt(first, 10, 32)
		b, err2 := strconv.ParseInt(last, 10, 32)
		if err1 != nil || err2 != nil {
			return n, fmt.Errorf("%q is no range of slots", clip(field))
		}
		r, err := slotRange(a, b)
		if err != nil {
			return n, err
		}
		n.slots = append(n.slots, r)
	}
	return n, nil
}

// parseNodeAddress reads ip:port@cport[,hostname[,…]]. An IPv6 address stands
// there without brackets.
func parseNodeAddress(field, asked string) (string, error) {
	field, rest, _ := strings.Cut(field, ",")
	field, _, _ = strings.Cut(field, "@")
	colon := strings.LastIndexByte(field, ':')
	if colon < 0 {
		return "", fmt.Errorf("address %q is not ip:port@cport", clip(field))
	}
	port, err := strconv.ParseInt(field[colon+1:], 10, 32)
	if err != nil {
		return "", fmt.Errorf("address %q has no port", clip(field))
	}
	host := field[:colon]
	if hostname, _, _ := strings.Cut(rest, ","); host == "" && !strings.Contains(hostname, "=") {
		host = hostname
	}
	address, known, err := nodeAddress(host, port, asked)
	if !known {
		return "", err
	}
	return address, err
}

// joinNodeLines puts replicas behind their primaries. Replicas of a primary
// that is not to be used still answer reads for its slots.
func joinNodeLines(primaries, replicas []nodeLine) []Assignment {
	following := make(map[string][]string)
	for _, r := range replicas {
		if r.address != "" {
			following[r.primary] = append(following[r.primary], r.address)
		}
	}
	var assignments []Assignment
	for _, p := range primaries {
		a := Assignment{Slots: p.slots}
		if p.address != "" {
			a.Nodes = append(a.Nodes, p.address)
		}
		a.Nodes = distinct(append(a.Nodes, following[p.id]...))
		if len(a.Slots) > 0 && len(a.Nodes) > 0 {
			assignments = append(assignments, a)
		}
	}
	return assignments
}

// typeName names the type of a reply in a message.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "a null"
	case string:
		return fmt.Sprintf("the string %q", clip(v))
	case int64:
		return fmt.Sprintf("the integer %d", v)
	case []any:
		return fmt.Sprintf("an array of %d", len(v))
	case map[string]any:
		return fmt.Sprintf("a map of %d", len(v))
	case error:
		return fmt.Sprintf("the error %q", clip(v.Error()))
	}
	return fmt.Sprintf("a %T", v)
}
