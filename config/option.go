package config

import (
	"errors"
	"path"
	"strings"
	"time"
)

// Option is a row of the table that everything about options is made from.
type Option struct {
	Key     string // dotted, lower case: "cache.max_bytes"
	Default string // as text, read by the same Form as any other value
	Form    Form
	Meaning string // what it does, as a sentence without its final stop
	Flag    string // without dashes; "" where there is none

	// Reloadable marks what a running process may take over from a new Config.
	// A change of any other option needs a restart. Where Elements are Reloadable
	// the list itself is not: they are taken over while it has the same elements,
	// by the first option of each.
	Reloadable bool
	// Beside is an option that must stay as it is for this one to be Reloadable;
	// "": there is none.
	Beside string

	// Elements are the options of each element, where the value is a list of
	// sections; their keys may be dotted. A variable has them in YAML, or, as a flag
	// does, in short: the value of the first option of each, with commas between.
	Elements []Option
	// Whole: an element says too little by the first of its options, so that there
	// is no short form.
	Whole bool
}

const (
	// day bounds ages: a cache that lives with its Pod has no use for more
	// than a month, and a mistyped unit shows.
	day = 24 * time.Hour

	// maxAge is the longest age that any value may reach.
	maxAge = 30 * day

	// maxInterned bounds features, projections and layouts: their numbers take
	// three bytes in a row.
	maxInterned = 1<<24 - 1

	// redisBulkBytes is the store's own bound on a bulk string
	// (proto-max-bulk-len), past which it would refuse what we forward.
	redisBulkBytes = 512 << 20

	// maxSize, a TiB, is more memory than a Pod has: past it a unit is wrong.
	maxSize = 1 << 40
)

const (
	acceptedListen = "host:port on loopback (127.0.0.1, [::1] or localhost; any host where auth.mode is not none), or unix:///absolute/path of at most 107 bytes"
	acceptedDial   = "host:port"
	acceptedAdmin  = "host:port, :port for all interfaces, or empty to switch it off"
	acceptedFile   = "the path of a readable file, or empty"
)

// Options returns the table in the order of the option tree. It is built anew
// for each caller, who may keep it.
func Options() []Option {
	groups := [][]Option{
		listenerOptions(), authOptions(), modeOptions(), upstreamOptions(), cacheOptions(), featureOptions(), invalidationOptions(), rolloutOptions(), warmOptions(),
		limitOptions(), adminOptions(), processOptions(),
	}
	var all []Option
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

func listenerOptions() []Option {
	return []Option{{
		Key: "listeners", Default: "127.0.0.1:6379", Flag: "listen",
		Form:     Form{Kind: "list of sections", Accepted: "{address: " + acceptedListen + "}", List: true},
		Meaning:  "Where clients connect to: the address of each listener; port 0 takes a free port",
		Elements: listenerElements(),
	}}
}

func modeOptions() []Option {
	return []Option{
		{
			Key: "mode", Default: string(ModeLive), Flag: "mode", Reloadable: true,
			Form:    choice(ModeOff, ModeDryRun, ModeLive),
			Meaning: "What is done with a cacheable read: off forwards it, dry-run forwards it and compares aside, live answers it from memory; where there are rollout.rules, what is done with what none of them takes, but that off is off whatever they say",
		},
		{
			Key:     "announce",
			Form:    maybeNone(checked("address", acceptedDial, checkDial)),
			Meaning: "The address at which cluster clients are told to find fsproxy; empty: the one at which each has reached it",
		},
	}
}

func cacheOptions() []Option {
	return []Option{
		{
			Key: "cache.max_bytes", Default: "0", Reloadable: true,
			Form:    sizes(leastRows, maxSize, "what the memory limit leaves, at most 60 % of it"),
			Meaning: "Memory for rows, overhead included; the limit is the container's, or else the machine's memory",
		},
		{
			Key: "cache.max_age", Reloadable: true, Default: "1h",
			Form:    durations(time.Millisecond, maxAge),
			Meaning: "How old a value may be and still be served from memory; no longer than the store's shortest expiry",
		},
		{
			Key: "cache.negative_max_age", Reloadable: true, Default: "5m",
			Form:    durations(time.Millisecond, maxAge),
			Meaning: "The same for a field that the store does not have; at most max_age",
		},
		{
			Key: "cache.shards", Default: "0",
			Form:    integers(1, 1024, "chosen from GOMAXPROCS"),
			Meaning: "Parts of the cache with a lock each",
		},
		{
			Key: "cache.max_row_bytes", Reloadable: true, Default: "1MiB",
			Form:    sizes(64, redisBulkBytes),
			Meaning: "A larger row is answered and not kept; at most max_bytes",
		},
		{
			Key: "cache.max_features", Reloadable: true, Default: "65536",
			Form:    integers(1, maxInterned),
			Meaning: "Distinct features that are known by number; past it a request is forwarded, uncached",
		},
		{
			Key: "cache.max_projections", Reloadable: true, Default: "4096",
			Form:    integers(1, maxInterned),
			Meaning: "Distinct projections that are known by number; past it a request is forwarded, uncached",
		},
		{
			Key: "cache.max_layouts", Reloadable: true, Default: "16384",
			Form:    integers(1, maxInterned),
			Meaning: "Distinct layouts of rows; past it a row that has to grow is replaced instead",
		},
		{
			Key: "cache.write_settle", Default: "1s", Reloadable: true,
			Form:    durations(0, time.Hour),
			Meaning: "After a write through the proxy, how long a fetcher may still answer with the old value; until then what was written is fetched and not kept",
		},
		{
			Key: "cache.never_cache", Reloadable: true, Default: "_ts:*",
			Form:    maybeEmpty(listOf(checked("pattern", "a pattern of feature names in which * is any text, ? any byte and [a-z] a range", checkPattern))),
			Meaning: "Features that are fetched each time and never kept: those by which a writer decides whether to write, as Feast does by its _ts: fields",
		},
	}
}

// checkPattern accepts what path.Match takes.
func checkPattern(text string) error {
	if _, err := path.Match(text, ""); err != nil {
		return errors.New("not a pattern: a [ without its ]")
	}
	return nil
}

func limitOptions() []Option {
	return []Option{
		{
			Key: "limits.max_clients", Default: "10000", Reloadable: true,
			Form:    integers(1, 1_000_000),
			Meaning: "Client connections at a time; the next one gets an error and is closed",
		},
		{
			Key: "limits.max_arguments", Default: "1048576", Reloadable: true,
			Form:    integers(1, 1<<31-1),
			Meaning: "Arguments of one command",
		},
		{
			Key: "limits.max_bulk_bytes", Default: "64MiB", Reloadable: true,
			Form:    sizes(1, redisBulkBytes),
			Meaning: "Length of one argument; at most max_request_bytes",
		},
		{
			Key: "limits.max_inline_bytes", Default: "64KiB", Reloadable: true,
			Form:    sizes(1, redisBulkBytes),
			Meaning: "Length of a line: an inline command or the header of an argument; at most max_request_bytes",
		},
		{
			Key: "limits.max_request_bytes", Default: "128MiB", Reloadable: true,
			Form:    sizes(1<<10, 4<<30),
			Meaning: "Length of one whole command",
		},
		{
			Key: "limits.max_output_bytes", Default: "64MiB", Reloadable: true,
			Form:    sizes(1<<10, 4<<30),
			Meaning: "Replies waiting for a client that does not read; past it the connection is closed",
		},
		{
			Key: "limits.max_in_flight", Default: "1024", Reloadable: true,
			Form:    integers(1, 1<<20),
			Meaning: "Requests of one connection that wait for the store; at it, no more are read until some are answered",
		},
	}
}

func processOptions() []Option {
	return []Option{
		{
			Key: "log.level", Default: "info", Flag: "log-level", Reloadable: true,
			Form:    choice("debug", "info", "warn", "error"),
			Meaning: "The least severe level that is logged",
		},
		{
			Key: "log.format", Default: "text",
			Form:    choice("text", "json"),
			Meaning: "How log lines are written, to standard error",
		},
		{
			Key: "drain_timeout", Default: "10s", Reloadable: true,
			Form:    durations(time.Millisecond, time.Hour),
			Meaning: "After SIGTERM, how long connections that are open are still served, unless they end before; keep it some seconds below the Pod's terminationGracePeriodSeconds",
		},
	}
}

// Variable is the name of the option's environment variable.
func (o Option) Variable() string {
	return variablePrefix + strings.ToUpper(strings.ReplaceAll(o.Key, ".", "_"))
}

// split gives the text of a flag, variable or default the shape that a file
// would give it: string, []string or []map[string]any.
func (o Option) split(text string) any {
	if !o.Form.List {
		return text
	}
	elements := []string{}
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			elements = append(elements, part)
		}
	}
	return o.sections(elements)
}

// sections makes a list of plain values one of sections, where the option has
// such.
func (o Option) sections(elements []string) any {
	if len(o.Elements) == 0 {
		return elements
	}
	list := make([]map[string]any, len(elements))
	for i, e := range elements {
		list[i] = map[string]any{o.Elements[0].Key: e}
	}
	return list
}
