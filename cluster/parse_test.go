package cluster

import (
	"bytes"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/resp"
)

const asked = "10.0.0.9:6379"

func node(fields ...any) []any { return fields }

func TestParseSlotsReadsEveryServersForm(t *testing.T) {
	reply := []any{
		// Redis 4: three elements; a shard in two pieces.
		node(int64(0), int64(99), node("10.0.0.1", int64(7001), "id1"), node("10.0.0.2", int64(7002), "id2")),
		// Redis 7: metadata. An empty or null host is the one that was asked.
		node(int64(100), int64(199), node("", int64(7003), "id3", []any{"hostname", "h"})),
		node(int64(200), int64(299), node(nil, int64(7004), "id4", []any{})),
		// "?" is a node whose address the server does not know.
		node(int64(300), int64(399), node("?", int64(7005), "id5"), node("::1", int64(7006), "id6")),
		node(int64(400), int64(499), node("?", int64(7007), "id7")),
		// A node listed twice is one.
		node(int64(500), int64(599), node("h", int64(1), "x"), node("h", int64(1), "x")),
	}
	got, err := parseSlots(reply, asked)
	want := []Assignment{
		{[]SlotRange{{0, 99}}, []string{"10.0.0.1:7001", "10.0.0.2:7002"}},
		{[]SlotRange{{100, 199}}, []string{"10.0.0.9:7003"}},
		{[]SlotRange{{200, 299}}, []string{"10.0.0.9:7004"}},
		{[]SlotRange{{300, 399}}, []string{"[::1]:7006"}},
		{[]SlotRange{{500, 599}}, []string{"h:1"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v\nwant %v", got, err, want)
	}
}

func TestParseSlotsNamesWhatIsWrong(t *testing.T) {
	ok := node("a", int64(1), "id")
	for says, reply := range map[string]any{
		"not an array":              "OK",
		"entry 0: the integer":      []any{int64(3)},
		"entry 1: slots 5 to 16384": []any{node(int64(0), int64(1), ok), node(int64(5), int64(16384), ok)},
		"slots -1 to 3":             []any{node(int64(-1), int64(3), ok)},
		"slots 4 to 3":              []any{node(int64(4), int64(3), ok)},
		"not integers":              []any{node("0", int64(3), ok)},
		"is not [first, last, node": []any{node(int64(0), int64(3))},
		"is not [host, port":        []any{node(int64(0), int64(3), node(int64(1), int64(1)))},
		"port 65536":                []any{node(int64(0), int64(3), node("a", int64(65536)))},
		"port -1":                   []any{node(int64(0), int64(3), node("a", int64(-1)))},
		"no valid host":             []any{node(int64(0), int64(3), node("a b", int64(1)))},
		"more than there are slots": make([]any, Slots+1),
	} {
		if _, err := parseSlots(reply, asked); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one that says %q", err, says)
		}
	}
}

func TestParseShardsReadsMapsAndFlatArrays(t *testing.T) {
	nodeMap := map[string]any{"id": "1", "port": int64(7001), "ip": "10.0.0.1", "endpoint": "h1", "role": "replica", "health": "online"}
	flat := []any{"id", "2", "tls-port", int64(7102), "port", int64(7002), "ip", "10.0.0.2", "endpoint", "?", "role", "master", "health", "online"}
	failed := []any{"id", "3", "port", int64(7003), "endpoint", "h3", "role", "replica", "health", "fail"}
	empty := []any{"id", "4", "port", int64(7004), "endpoint", nil, "ip", "", "role", "replica", "health", "loading"}
	reply := []any{
		map[string]any{"slots": []any{int64(0), int64(9), "20", "29"}, "nodes": []any{nodeMap, flat, failed, empty}},
		[]any{"slots", []any{}, "nodes", []any{flat}},                       // a primary without slots
		[]any{"slots", []any{int64(30), int64(39)}, "nodes", []any{failed}}, // nobody left
	}
	for secure, port := range map[bool]string{false: "7002", true: "7102"} {
		got, err := parseShards(reply, asked, secure)
		want := []Assignment{{[]SlotRange{{0, 9}, {20, 29}}, []string{"10.0.0.2:" + port, "h1:7001", "10.0.0.9:7004"}}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("secure %v: %v, %v\nwant %v", secure, got, err, want)
		}
	}
}

func TestParseShardsNamesWhatIsWrong(t *testing.T) {
	for says, reply := range map[string]any{
		"not an array":             "OK",
		"shard 0: the integer":     []any{int64(3)},
		`no "slots"`:               []any{[]any{"nodes", []any{}}},
		"a name that has no value": []any{[]any{"slots"}},
		"for a name":               []any{[]any{int64(1), int64(1)}},
		"slots 1 to 16384":         []any{[]any{"slots", []any{int64(1), int64(16384)}, "nodes", []any{}}},
		`neither "port"`:           []any{[]any{"slots", []any{int64(1), int64(1)}, "nodes", []any{[]any{"ip", "a"}}}},
		"node 0: port 70000":       []any{[]any{"slots", []any{int64(1), int64(1)}, "nodes", []any{[]any{"ip", "a", "port", int64(70000)}}}},
	} {
		if _, err := parseShards(reply, asked, false); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one that says %q", err, says)
		}
	}
}

func TestParseNodesReadsEachLine(t *testing.T) {
	text := strings.Join([]string{
		"a1 10.0.0.1:7001@17001,host-1 myself,master - 0 0 1 connected 0-99 200 [93-<-b1] [94->-b1]",
		"a2 10.0.0.2:7002@17002 slave a1 0 0 1 connected",
		"a3 10.0.0.3:7003@17003 slave,fail a1 0 0 1 disconnected",
		"a4 10.0.0.4:7004@17004 slave,fail? a1 0 0 1 connected", // only suspected
		"b1 :7005@17005 master - 0 0 2 connected 100-199",
		"c1 :0@0 master,noaddr - 0 0 3 disconnected 300-399",
		"c2 ::1:7006 slave c1 0 0 3 connected", // the replica of a lost primary still answers reads
		"d1 10.0.0.7:7007@17007 handshake - 0 0 0 connected 400",
		"e1 10.0.0.8:7008@17008 master - 0 0 4 connected",
		"",
	}, "\n")
	got, err := parseNodes(text, asked)
	want := []Assignment{
		{[]SlotRange{{0, 99}, {200, 200}}, []string{"10.0.0.1:7001", "10.0.0.2:7002", "10.0.0.4:7004"}},
		{[]SlotRange{{100, 199}}, []string{"10.0.0.9:7005"}},
		{[]SlotRange{{300, 399}}, []string{"[::1]:7006"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v\nwant %v", got, err, want)
	}
}

func TestParseNodesNamesWhatIsWrong(t *testing.T) {
	for says, reply := range map[string]any{
		"not text":                   int64(1),
		"line 1: 2 fields":           "a b",
		"is not ip:port":             "a b master - 0 0 0 connected 1",
		"has no port":                "a b:x@1 master - 0 0 0 connected 1",
		`"1-x" is no range`:          "a b:1@1 master - 0 0 0 connected 1-x",
		"line 2: slots 16384 to 163": "a b:1@1 master - 0 0 0 connected 1\na b:1@1 master - 0 0 0 connected 16384",
	} {
		if _, err := parseNodes(reply, asked); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one that says %q", err, says)
		}
	}
}

// decode turns a whole, checked reply into what rueidis' ToAny makes of it.
func decode(frame []byte) (v any, rest []byte) {
	end := bytes.IndexByte(frame, '\n')
	line, rest := string(frame[1:end-1]), frame[end+1:]
	n, _ := strconv.Atoi(line)
	switch frame[0] {
	case ':':
		i, _ := strconv.ParseInt(line, 10, 64)
		return i, rest
	case '$', '=', '!':
		if n < 0 {
			return nil, rest
		}
		return string(rest[:n]), rest[n+2:]
	case '*', '~':
		if n < 0 {
			return nil, rest
		}
		values := make([]any, n)
		for i := range values {
			values[i], rest = decode(rest)
		}
		return values, rest
	case '%':
		m := make(map[string]any, n)
		for range n {
			var name any
			name, rest = decode(rest)
			key, _ := name.(string)
			m[key], rest = decode(rest)
		}
		return m, rest
	case '_':
		return nil, rest
	}
	return line, rest
}

func FuzzParsers(f *testing.F) {
	f.Add([]byte("*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$1\r\na\r\n:1\r\n$2\r\nid\r\n"))
	f.Add([]byte("*1\r\n%2\r\n$5\r\nslots\r\n*2\r\n:0\r\n:1\r\n$5\r\nnodes\r\n*1\r\n%2\r\n$2\r\nip\r\n$1\r\na\r\n$4\r\nport\r\n:1\r\n"))
	f.Add([]byte("*1\r\n*4\r\n$5\r\nslots\r\n*2\r\n:0\r\n:1\r\n$5\r\nnodes\r\n*1\r\n*4\r\n$2\r\nip\r\n_\r\n$4\r\nport\r\n$1\r\n1\r\n"))
	f.Add([]byte("$43\r\na b:1@2,h,x=y master - 0 0 0 connected 1-3 \n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, err := resp.NewFramer(1 << 20).Next(data)
		if n == 0 || err != nil || checkReply(data[:n]) != nil {
			return
		}
		reply, _ := decode(data[:n])
		for _, parse := range []func(any, string) ([]Assignment, error){
			parseSlots, parseNodes,
			func(v any, asked string) ([]Assignment, error) { return parseShards(v, asked, true) },
		} {
			assignments, err := parse(reply, asked)
			if err != nil {
				continue
			}
			topology, err := NewTopology(Cluster, "", assignments)
			if err != nil {
				continue
			}
			for slot := range uint16(Slots) {
				if i, ok := topology.ShardOf(slot); ok && len(topology.Shards[i].Nodes) == 0 {
					t.Fatalf("slot %d is owned by a shard without nodes", slot)
				}
			}
			for _, address := range topology.Nodes() {
				if err := CheckAddress(address); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
