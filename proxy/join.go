package proxy

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"

	"github.com/tidwall/redcon"

	"github.com/fsproxy/fsproxy/resp"
)

// join owns the replies to the parts of one request. The parts belong to
// tunnels, whose goroutines bring the replies in any order; the last one
// completes the request's place in line.
type join struct {
	client  *client
	name    string  // of the command, in errors
	whole   passing // what all parts together write, and where the reply goes
	joiner  joiner
	version resp.Version
	request *scattered
	limit   int // bytes that all replies together may have

	mu      sync.Mutex // protects what follows
	replies [][]byte   // by part
	held    int        // bytes in replies
	left    int        // parts that were not answered yet
}

// take takes over the reply to a part and keeps nothing of frame.
func (j *join) take(part int, frame []byte) {
	j.mu.Lock()
	if j.held += len(frame); j.held > j.limit {
		clear(j.replies)
	} else {
		j.replies[part] = append([]byte(nil), frame...)
	}
	j.left--
	last := j.left == 0
	j.mu.Unlock()
	if last {
		// What was written is invalidated now that all parts have been.
		j.client.answered(j.whole, j.reply())
	}
}

// reply joins the replies when all are there.
func (j *join) reply() []byte {
	if j.held > j.limit {
		return resp.AppendError(nil, fmt.Sprintf(
			"ERR fsproxy: the nodes' replies to %s have %d bytes together, and limits.max_output_bytes allows %d", j.name, j.held, j.limit))
	}
	out, ok := j.joiner(j, nil)
	if !ok {
		return resp.AppendError(nil, "ERR fsproxy: the nodes' replies to "+j.name+" are not of the kind that can be joined")
	}
	return out
}

// joiner appends the reply to a request, made of the replies to its parts. False
// means that they are not what such a request is answered with.
type joiner func(j *join, out []byte) ([]byte, bool)

// unlessFailed is a joiner that gives the first part's error, if any failed: a
// request that was carried out in part has failed as a whole.
func unlessFailed(joined joiner) joiner {
	return func(j *join, out []byte) ([]byte, bool) {
		for _, r := range j.replies {
			if isError(r) {
				return append(out, r...), true
			}
		}
		return joined(j, out)
	}
}

func isError(frame []byte) bool { return frame[0] == '-' || frame[0] == '!' }

// joinFirst is for replies that say the same: OK, or a script's name.
func joinFirst(j *join, out []byte) ([]byte, bool) { return append(out, j.replies[0]...), true }

// joinFirstSuccess is for what succeeds where one node has something to do.
func joinFirstSuccess(j *join, out []byte) ([]byte, bool) {
	for _, r := range j.replies {
		if !isError(r) {
			return append(out, r...), true
		}
	}
	return joinFirst(j, out)
}

// joinSum adds up numbers.
func joinSum(j *join, out []byte) ([]byte, bool) {
	var sum int64
	for _, r := range j.replies {
		n, ok := resp.Integer(r)
		if !ok {
			return out, false
		}
		sum += n
	}
	return redcon.AppendInt(out, sum), true
}

// joinLeast takes the least of numbers, or, of arrays of numbers, the least at
// each place: what holds on every node.
func joinLeast(j *join, out []byte) ([]byte, bool) {
	var least []int64
	for i, r := range j.replies {
		ns, ok := integers(r)
		if !ok || i > 0 && len(ns) != len(least) {
			return out, false
		}
		if i == 0 {
			least = ns
			continue
		}
		for k, n := range ns {
			least[k] = min(least[k], n)
		}
	}
	if j.replies[0][0] == '*' {
		out = redcon.AppendArray(out, len(least))
	}
	for _, n := range least {
		out = redcon.AppendInt(out, n)
	}
	return out, true
}

// integers reads a number or an array of numbers.
func integers(frame []byte) ([]int64, bool) {
	if n, ok := resp.Integer(frame); ok {
		return []int64{n}, true
	}
	ends, ok := resp.Elements(frame, nil)
	if !ok {
		return nil, false
	}
	ns := make([]int64, len(ends)-1)
	for i := range ns {
		if ns[i], ok = resp.Integer(frame[ends[i]:ends[i+1]]); !ok {
			return nil, false
		}
	}
	return ns, true
}

// joinArrays puts arrays behind one another.
func joinArrays(j *join, out []byte) ([]byte, bool) {
	total := 0
	for _, r := range j.replies {
		n, _, ok := resp.Array(r)
		if !ok {
			return out, false
		}
		total += n
	}
	out = redcon.AppendArray(out, total)
	for _, r := range j.replies {
		_, body, _ := resp.Array(r)
		out = append(out, body...)
	}
	return out, true
}

// joinValues puts the values of keys into the order in which the request has the
// keys.
func joinValues(j *join, out []byte) ([]byte, bool) {
	values := make([][]byte, j.request.operands)
	for part, r := range j.replies {
		places := j.request.parts[part].places
		ends, ok := resp.BulkArray(r, len(places), nil)
		if !ok {
			return out, false
		}
		for i, place := range places {
			values[place] = r[ends[i]:ends[i+1]]
		}
	}
	out = redcon.AppendArray(out, len(values))
	for _, v := range values {
		out = append(out, v...)
	}
	return out, true
}

// joinRandom takes one of the keys, or null where no node has any.
func joinRandom(j *join, out []byte) ([]byte, bool) {
	var keys [][]byte
	for _, r := range j.replies {
		if _, ok := resp.Text(r); ok {
			keys = append(keys, r)
		} else if !resp.IsNil(r) {
			return out, false
		}
	}
	if len(keys) == 0 {
		return joinFirst(j, out)
	}
	return append(out, keys[rand.IntN(len(keys))]...), true
}

// joinKeyspace adds up INFO keyspace: "db0:keys=1,expires=0,avg_ttl=0" for each
// database that has keys. Times to live are averaged over the keys that have
// one.
func joinKeyspace(j *join, out []byte) ([]byte, bool) {
	var names []string
	sums := map[string]*keyspace{}
	for _, r := range j.replies {
		text, ok := resp.Text(r)
		if !ok {
			return out, false
		}
		for line := range bytes.SplitSeq(text, []byte("\r\n")) {
			name, figures, ok := bytes.Cut(line, []byte(":"))
			if !ok {
				continue // the title
			}
			sum := sums[string(name)]
			if sum == nil {
				sum = &keyspace{values: map[string]int64{}}
				sums[string(name)] = sum
				names = append(names, string(name))
			}
			if !sum.add(figures) {
				return out, false
			}
		}
	}
	text := []byte("# Keyspace\r\n")
	for _, name := range names {
		text = append(sums[name].append(append(text, name...)), "\r\n"...)
	}
	return resp.AppendVerbatim(out, j.version, string(text)), true
}

// keyspace is the figures of one database in their order.
type keyspace struct {
	names  []string
	values map[string]int64
	lived  int64 // avg_ttl times expires, of all nodes
}

const (
	averageTTL = "avg_ttl" // in milliseconds
	expiring   = "expires" // keys with a time to live
)

// add adds one node's "keys=1,expires=0,avg_ttl=0".
func (k *keyspace) add(figures []byte) bool {
	here := map[string]int64{}
	for figure := range bytes.SplitSeq(figures, []byte(",")) {
		name, text, _ := bytes.Cut(figure, []byte("="))
		n, err := strconv.ParseInt(string(text), 10, 64)
		if err != nil {
			return false
		}
		if _, known := k.values[string(name)]; !known {
			k.names = append(k.names, string(name))
		}
		k.values[string(name)] += n
		here[string(name)] = n
	}
	k.lived += here[averageTTL] * here[expiring]
	return true
}

func (k *keyspace) append(out []byte) []byte {
	for i, name := range k.names {
		n := k.values[name]
		if name == averageTTL {
			n = k.lived / max(k.values[expiring], 1)
		}
		out = append(out, ":,"[min(i, 1)])
		out = fmt.Appendf(out, "%s=%d", name, n)
	}
	return out
}
