// Command drive drives a Redis server with Go's client libraries, as
// clients/README.md says. It is a module of its own so that the project's
// stays free of libraries that only it needs.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

const (
	// poolSize is the number of connections of a pool and of its users.
	poolSize = 4
	// patience bounds one run.
	patience = time.Minute
	// script writes a field and reads another.
	script = "redis.call('HSET', KEYS[1], 'a', ARGV[1]) return redis.call('HGET', KEYS[1], 'b')"
	// defaultProtocol is that of all libraries that know several.
	defaultProtocol = "3"
)

// hmget is one read: a key and its fields.
type hmget struct {
	key    string
	fields []string
}

// value is what a field holds; nil when it is missing.
type value = *string

// target says where to connect to and how.
type target struct {
	addr    string
	cluster bool
	resp2   bool // against the library's default
}

// client is a connected library.
type client interface {
	info(ctx context.Context) (string, error)
	hmget(ctx context.Context, key string, fields ...string) ([]value, error)
	hget(ctx context.Context, key, field string) (value, error)
	pipeline(ctx context.Context, reads []hmget) ([][]value, error)
	hset(ctx context.Context, key string, pairs ...string) (int64, error)
	hgetall(ctx context.Context, key string) (map[string]string, error)
	expire(ctx context.Context, key string, after time.Duration) (int64, error)
	// multi sends HSET of one field and HMGET in a transaction.
	multi(ctx context.Context, key, field, val string, fields ...string) (int64, []value, error)
	eval(ctx context.Context, script, key, argument string) (string, error)
	// receive subscribes to channel, publishes message and returns what comes.
	receive(ctx context.Context, channel, message string) (string, error)
	del(ctx context.Context, key string) (int64, error)
	close() error
}

// libraries are the libraries by name: the module's path, and how to connect.
var libraries = map[string]struct {
	module  string
	connect func(target) (client, error)
}{
	"go-redis":                         {"github.com/redis/go-redis/v9", connectGoRedis},
	"rueidis":                          {"github.com/redis/rueidis", connectRueidis},
	"rueidis with client-side caching": {"github.com/redis/rueidis", connectCachingRueidis},
	"redigo":                           {"github.com/gomodule/redigo", connectRedigo},
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := drive(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func drive(ctx context.Context, args []string) error {
	if len(args) < 6 {
		return errors.New("usage: drive CLIENT HOST PORT MODE PROTOCOL READS [KEY]")
	}
	library, ok := libraries[args[0]]
	if !ok {
		return fmt.Errorf("no such client: %s", args[0])
	}
	reads, err := readReads(args[5])
	if err != nil {
		return err
	}
	say("version", moduleVersion(library.module))
	t := target{addr: net.JoinHostPort(args[1], args[2]), cluster: args[3] == "cluster", resp2: args[4] != defaultProtocol}

	c, err := library.connect(t)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	if err := checkReads(ctx, c, reads); err != nil {
		return err
	}
	if err := c.close(); err != nil {
		return fmt.Errorf("closing: %w", err)
	}
	if c, err = library.connect(t); err != nil {
		return fmt.Errorf("connecting again: %w", err)
	}
	first, err := c.hmget(ctx, reads[0].key, reads[0].fields...)
	if err := check("reconnect", first, err); err != nil {
		return err
	}
	if len(args) > 6 {
		if err := checkWrites(ctx, c, args[6]); err != nil {
			return err
		}
	}
	return c.close()
}

// moduleVersion returns the version of a module that is built in.
func moduleVersion(path string) string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == path {
			return strings.TrimPrefix(m.Version, "v")
		}
	}
	return ""
}

func readReads(path string) ([]hmget, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the reads: %w", err)
	}
	defer file.Close()
	var reads []hmget
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		words := strings.Split(lines.Text(), "\t")
		reads = append(reads, hmget{words[0], words[1:]})
	}
	return reads, lines.Err()
}

// say prints one check.
func say(name string, got any) {
	line, err := json.Marshal(map[string]any{"check": name, "got": got})
	if err != nil {
		panic(err) // only strings, numbers and lists of them come here
	}
	fmt.Println(string(line))
}

// check prints a check that went well.
func check(name string, got any, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	say(name, got)
	return nil
}

// all sends the reads one after the other.
func all(ctx context.Context, c client, reads []hmget) ([][]value, error) {
	var got [][]value
	for _, r := range reads {
		values, err := c.hmget(ctx, r.key, r.fields...)
		if err != nil {
			return nil, fmt.Errorf("HMGET %s: %w", r.key, err)
		}
		got = append(got, values)
	}
	return got, nil
}

func checkReads(ctx context.Context, c client, reads []hmget) error {
	got, err := all(ctx, c, reads)
	if err := check("hmget", got, err); err != nil {
		return err
	}
	info, err := c.info(ctx)
	if err := check("protocol", info, err); err != nil {
		return err
	}
	var hgets []value
	for _, r := range reads {
		v, err := c.hget(ctx, r.key, r.fields[0])
		if err != nil {
			return fmt.Errorf("HGET %s: %w", r.key, err)
		}
		hgets = append(hgets, v)
	}
	say("hget", hgets)
	piped, err := c.pipeline(ctx, reads)
	if err := check("pipeline", piped, err); err != nil {
		return err
	}
	pooled, err := atOnce(ctx, c, reads)
	return check("pool", pooled, err)
}

// atOnce sends all reads poolSize times at once.
func atOnce(ctx context.Context, c client, reads []hmget) ([][][]value, error) {
	got, errs := make([][][]value, poolSize), make([]error, poolSize)
	var members sync.WaitGroup
	for i := range poolSize {
		members.Go(func() { got[i], errs[i] = all(ctx, c, reads) })
	}
	members.Wait()
	return got, errors.Join(errs...)
}

func checkWrites(ctx context.Context, c client, key string) error {
	for _, step := range []struct {
		name string
		do   func() (any, error)
	}{
		{"hset", func() (any, error) { return c.hset(ctx, key, "a", "1", "b", "2") }},
		{"hmget after hset", func() (any, error) { return c.hmget(ctx, key, "a", "b", "c") }},
		{"hset again", func() (any, error) { return c.hset(ctx, key, "a", "3") }},
		{"hmget after hset again", func() (any, error) { return c.hmget(ctx, key, "a", "b", "c") }},
		{"hgetall", func() (any, error) { return c.hgetall(ctx, key) }},
		{"expire", func() (any, error) { return c.expire(ctx, key, 1000*time.Second) }},
		{"multi", func() (any, error) {
			n, values, err := c.multi(ctx, key, "c", "5", "a", "b", "c")
			return []any{n, values}, err
		}},
		{"eval", func() (any, error) { return c.eval(ctx, script, key, "9") }},
		{"hmget after eval", func() (any, error) { return c.hmget(ctx, key, "a", "b") }},
		{"pubsub", func() (any, error) { return c.receive(ctx, key, "hello") }},
		{"del", func() (any, error) { return c.del(ctx, key) }},
		{"hmget after del", func() (any, error) { return c.hmget(ctx, key, "a", "b", "c") }},
	} {
		got, err := step.do()
		if err := check(step.name, got, err); err != nil {
			return err
		}
	}
	return nil
}
