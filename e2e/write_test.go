//go:build e2e

package e2e

import (
	"errors"
	"strings"
	"testing"
)

// writeCase is a way to change the hash at KEY, which holds a=1 b=2. KEY2 is
// another, empty key of the same slot.
type writeCase struct {
	name     string
	commands []string // words apart by spaces
	want     string   // what HMGET KEY a b c answers afterwards
}

// errNotCached says that a read still went to the store.
var errNotCached = errors.New("not all fields came from memory")

// wrongType is what a read answers where a write put a string.
const wrongType = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"

var writeCases = []writeCase{
	{"HSET of a cached field", []string{"HSET KEY a 3"}, bulks("3", "2", "")},
	{"HSET of a field cached as missing", []string{"HSET KEY c 3"}, bulks("1", "2", "3")},
	{"lower case", []string{"hset KEY a 3"}, bulks("3", "2", "")},
	{"HMSET", []string{"HMSET KEY a 3 c 4"}, bulks("3", "2", "4")},
	{"HSETNX", []string{"HSETNX KEY c 3"}, bulks("1", "2", "3")},
	{"HINCRBY", []string{"HINCRBY KEY a 5"}, bulks("6", "2", "")},
	{"HINCRBYFLOAT", []string{"HINCRBYFLOAT KEY a 0.5"}, bulks("1.5", "2", "")},
	{"HDEL", []string{"HDEL KEY a"}, bulks("", "2", "")},
	{"DEL", []string{"DEL KEY"}, bulks("", "", "")},
	{"DEL as second key", []string{"DEL KEY2 KEY"}, bulks("", "", "")},
	{"UNLINK", []string{"UNLINK KEY"}, bulks("", "", "")},
	{"EXPIRE in the past", []string{"EXPIRE KEY -1"}, bulks("", "", "")},
	{"PEXPIREAT in the past", []string{"PEXPIREAT KEY 1"}, bulks("", "", "")},
	{"EXPIRE in the future", []string{"EXPIRE KEY 1000"}, bulks("1", "2", "")},
	{"SET over the hash", []string{"SET KEY text"}, wrongType},
	{"RENAME away", []string{"RENAME KEY KEY2"}, bulks("", "", "")},
	{"RENAME onto", []string{"HSET KEY2 a 7", "RENAME KEY2 KEY"}, bulks("7", "", "")},
	{"COPY onto", []string{"HSET KEY2 a 7", "COPY KEY2 KEY REPLACE"}, bulks("7", "", "")},
	{"FLUSHDB", []string{"FLUSHDB"}, bulks("", "", "")},
	{"FLUSHALL", []string{"FLUSHALL"}, bulks("", "", "")},
	{"MULTI and EXEC", []string{"MULTI", "HSET KEY a 3", "HDEL KEY b", "EXEC"}, bulks("3", "", "")},
	{"MULTI and EXEC with a read", []string{"MULTI", "HSET KEY a 3", "HMGET KEY a b", "EXEC"}, bulks("3", "2", "")},
	{"MULTI and DISCARD", []string{"MULTI", "HSET KEY a 3", "DISCARD"}, bulks("1", "2", "")},
	{"EVAL", []string{"EVAL redis.call('HSET',KEYS[1],'a',ARGV[1]) 1 KEY 3"}, bulks("3", "2", "")},
	{"EVAL of a key it does not declare", []string{"EVAL redis.call('HSET',ARGV[1],'a','3') 0 KEY"}, bulks("3", "2", "")},
}

// words splits the commands of a case and fills in its keys.
func (c writeCase) words(key string) [][]string {
	var all [][]string
	for _, line := range c.commands {
		command := strings.Fields(line)
		for i, word := range command {
			switch word {
			case "KEY":
				command[i] = key
			case "KEY2":
				command[i] = key + "_other"
			}
		}
		all = append(all, command)
	}
	return all
}

// A write through the proxy is visible to the next read through it: in the
// same pipeline, in the next request, and on another connection.
func TestWriteIsVisibleToTheNextRead(t *testing.T) {
	s := startStore(t)
	p := startProxy(t, "standalone", s.addr)
	direct, writer, other := dialWire(t, s.addr), dialWire(t, p.addr), dialWire(t, p.addr)

	for _, c := range writeCases {
		t.Run(c.name, func(t *testing.T) {
			key := "{" + strings.ReplaceAll(c.name, " ", "_") + "}"
			read := []string{"HMGET", key, "a", "b", "c"}
			direct.do(t, "HSET", key, "a", "1", "b", "2")
			cacheRow(t, p, other, read)

			commands := c.words(key)
			got := writer.mustPipeline(t, append(append([][]string{read}, commands...), read)...)
			if got[0] != bulks("1", "2", "") {
				t.Errorf("before the write, in its pipeline: %q", got[0])
			}
			for i, command := range commands {
				if r := got[1+i]; strings.HasPrefix(r, "-") {
					t.Errorf("%v failed: %q", command, r)
				}
			}
			if last := got[len(got)-1]; last != c.want {
				t.Errorf("in the same pipeline: %q, want %q", last, c.want)
			}
			if r := writer.do(t, read...); r != c.want {
				t.Errorf("in the next request: %q, want %q", r, c.want)
			}
			if r := other.do(t, read...); r != c.want {
				t.Errorf("on another connection: %q, want %q", r, c.want)
			}
			if r := direct.do(t, read...); r != c.want {
				t.Errorf("the store itself: %q, want %q: the test is wrong", r, c.want)
			}
		})
	}
}

// cacheRow reads until an answer came from memory, so that a write has
// something to invalidate. Where memory never answers the test could not fail.
func cacheRow(t *testing.T, p *proxy, w *wire, read []string) {
	t.Helper()
	eventually(t, "an answer from memory", func() error {
		before := p.fields(t)
		w.do(t, read...)
		asked := len(read) - 2
		if got := waitForFields(t, p, before, asked).fromMemory(); got != asked {
			return errNotCached
		}
		return nil
	})
}
