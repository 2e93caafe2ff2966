package command

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryCommandOfRedis7IsKnown(t *testing.T) {
	const commands, subcommands = 240, 126 // what COMMAND COUNT and COMMAND LIST say
	var n, subs int
	for _, r := range table {
		if strings.Contains(r.name, "|") {
			subs++
		} else {
			n++
		}
	}
	if n != commands || subs != subcommands {
		t.Errorf("%d commands and %d subcommands, want %d and %d", n, subs, commands, subcommands)
	}
	for _, r := range slices.Concat(table, newer) {
		c := Named([]byte(strings.ToUpper(r.name)))
		if c == nil || c.Name != r.name {
			t.Errorf("%s is not found by its full name", r.name)
		}
		args := argv(append(strings.Split(strings.ToUpper(r.name), "|"), "x")...)
		if c != Resolve(args) {
			t.Errorf("%s is not found by its arguments", r.name)
		}
		if len(r.name) > maxName {
			t.Errorf("%s is longer than maxName", r.name)
		}
	}
}

func TestLookupTakesAnyCaseAndAllocatesNothing(t *testing.T) {
	name := []byte("HmGeT")
	if c := Lookup(name); c == nil || c.Name != "hmget" {
		t.Fatalf("found %v", c)
	}
	if n := testing.AllocsPerRun(100, func() { Lookup(name) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	args := argv("cLuStEr", "SLOTs")
	if n := testing.AllocsPerRun(100, func() { Resolve(args) }); n != 0 {
		t.Errorf("Resolve: %v allocations", n)
	}
	if string(name) != "HmGeT" {
		t.Errorf("the request was changed: %q", name)
	}
}

func TestUnknownNamesAreNil(t *testing.T) {
	for _, name := range []string{"", "hmge", "hmgett", "client|kill", "h\x00", strings.Repeat("x", 1000), "hmget "} {
		if c := Lookup([]byte(name)); c != nil {
			t.Errorf("%q is %s", name, c.Name)
		}
	}
	if Resolve(nil) != nil {
		t.Error("no arguments are a command")
	}
	if c := Resolve(argv("client", "nope")); c == nil || c.Name != "client" {
		t.Errorf("an unknown subcommand gives %v, want its container", c)
	}
}

func TestArity(t *testing.T) {
	for _, tc := range []struct {
		name string
		n    int
		ok   bool
	}{
		{"get", 2, true},
		{"get", 1, false},
		{"get", 3, false},
		{"hmget", 3, true},
		{"hmget", 2, false},
		{"hmget", 300, true},
		{"client|setname", 3, true},
		{"client|setname", 4, false},
	} {
		if ok := Named([]byte(tc.name)).ArityOK(tc.n); ok != tc.ok {
			t.Errorf("%s with %d arguments: %v", tc.name, tc.n, ok)
		}
	}
}

func TestClasses(t *testing.T) {
	for class, names := range map[Class]string{
		Cached:  "hmget hget",
		Local:   "ping hello client client|kill client|setinfo cluster cluster|slots command|docs config|get info reset time unsubscribe sunsubscribe",
		Refused: "cluster|forget cluster|reset",
		Stream:  "subscribe monitor psync",
		Write:   "hset hdel hexpire hsetex del set eval fcall rename flushall swapdb lpop xgroup xgroup|create restore bitop sort spop georadius",
		Tunnel:  "hgetall get multi exec watch object|encoding xinfo|stream eval_ro publish scan wait keys acl|whoami function|load command|getkeysandflags shutdown",
	} {
		for name := range strings.FieldsSeq(names) {
			if c := Named([]byte(name)); c == nil || c.Class != class {
				t.Errorf("%s is %+v, want class %s", name, c, class)
			}
		}
	}
}

// A write without keys that is not marked as touching the whole keyspace would
// leave stale rows behind.
func TestEveryWriteHasKeysOrTouchesEverything(t *testing.T) {
	for c := range All() {
		for _, c := range append([]*Command{c}, c.Subcommands...) {
			if c.Class != Write || c.WholeKeyspace || c.Subcommands != nil {
				continue
			}
			if !c.HasKeys() {
				t.Errorf("%s writes, has no keys, and is not WholeKeyspace", c.Name)
			}
		}
	}
	for _, name := range []string{"flushall", "flushdb", "swapdb"} {
		if !Named([]byte(name)).WholeKeyspace {
			t.Errorf("%s is not WholeKeyspace", name)
		}
	}
}

// Every command whose keys COMMAND calls movable has key specs or a finder.
func TestMovableKeysAreFound(t *testing.T) {
	for c := range All() {
		if c.Flags&FlagMovableKeys != 0 && !c.HasKeys() {
			t.Errorf("%s", c.Name)
		}
	}
}

func TestAllIsSortedAndComplete(t *testing.T) {
	var names []string
	for c := range All() {
		names = append(names, c.Name)
		for _, s := range c.Subcommands {
			if s.Container != c || !strings.HasPrefix(s.Name, c.Name+"|") {
				t.Errorf("%s is no subcommand of %s", s.Name, c.Name)
			}
		}
	}
	if !slices.IsSorted(names) || len(names) != Count() {
		t.Errorf("%d names, sorted: %v", len(names), slices.IsSorted(names))
	}
}

func TestMarkdownNamesEveryCommandOnce(t *testing.T) {
	text := Markdown()
	listed := map[string]int{}
	for line := range strings.Lines(text) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), "- ")
		if !ok {
			continue
		}
		names, _, _ := strings.Cut(line, ":")
		for name := range strings.SplitSeq(names, ", ") {
			listed[name]++
		}
	}
	for c := range All() {
		if n := listed[strings.ToUpper(c.Name)]; n != 1 {
			t.Errorf("%s is listed %d times", c.Name, n)
		}
	}
	if listed["CLUSTER RESET"] != 1 {
		t.Error("CLUSTER RESET is not listed apart from CLUSTER")
	}
}
