//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// driverSteps is what a driver in clients/ prints as its steps, whatever the
// library: drivers turn what their library makes of a reply into plain JSON.
const driverSteps = `{
	"ping": true,
	"hset": 2,
	"hmget": ["1", "2", null],
	"hmget again": ["1", "2", null],
	"hset again": 0,
	"hmget after hset": ["3", "2", null],
	"hget": "3",
	"hgetall": {"a": "3", "b": "2"},
	"expire": 1,
	"ttl is set": true,
	"multi": [1, ["3", "2", "5"]],
	"pipeline": [1, ["7", "3"], "7", 1, [null, "3"]],
	"del": 1,
	"hmget after del": [null, null, null]
}`

// Client libraries, each with its default settings, see a Redis.

func TestDebianRedisPy(t *testing.T) {
	python := needFile(t, debianPython, "Debian's python3")
	checkDriver(t, "4.3.", nil, python, "-I", "clients/python/drive.py")
}

func TestCurrentRedisPy(t *testing.T) {
	python := needFile(t, debianPython, "Debian's python3")
	library := cached(t, "python", "the current redis-py")
	checkDriver(t, "8.", []string{"PYTHONPATH=" + library}, python, "clients/python/drive.py")
}

func TestIoredis(t *testing.T) {
	needFile(t, "clients/node/node_modules/ioredis", "ioredis")
	checkDriver(t, "6.", nil, needProgram(t, "node"), "clients/node/drive.mjs")
}

// checkDriver runs a driver against a proxy and compares what it printed.
// version is how the library's version has to begin.
func checkDriver(t *testing.T, version string, environment []string, program string, args ...string) {
	t.Helper()
	host, port, _ := strings.Cut(startProxy(t, "auto", startStore(t).addr).addr, ":")
	cmd := exec.CommandContext(t.Context(), program, append(args, host, port, "st_1")...)
	cmd.WaitDelay = patience
	cmd.Env = append(os.Environ(), environment...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", cmd.Args, err, out, stderr.Bytes())
	}

	var got struct {
		Version string         `json:"version"`
		Steps   map[string]any `json:"steps"`
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v printed %q: %v", cmd.Args, out, err)
	}
	if !strings.HasPrefix(got.Version, version) {
		t.Errorf("the library is version %s, want %s…: run `make e2e-setup`", got.Version, version)
	}
	var want map[string]any
	if err := json.Unmarshal([]byte(driverSteps), &want); err != nil {
		t.Fatalf("driverSteps: %v", err)
	}
	for step, answer := range want {
		if !reflect.DeepEqual(got.Steps[step], answer) {
			t.Errorf("%s: answered %v, want %v", step, got.Steps[step], answer)
		}
	}
	if len(got.Steps) != len(want) {
		t.Errorf("the driver took %d steps, want %d: %v", len(got.Steps), len(want), got.Steps)
	}
}

func TestGoRedis(t *testing.T) {
	p := startProxy(t, "auto", startStore(t).addr)
	client := redis.NewClient(&redis.Options{Addr: p.addr})
	t.Cleanup(func() { _ = client.Close() })
	ctx, key := t.Context(), "st_1"

	expect(t, "PING", client.Ping(ctx), "PONG")
	expect(t, "HSET", client.HSet(ctx, key, "a", "1", "b", "2"), int64(2))
	expect(t, "HMGET", client.HMGet(ctx, key, "a", "b", "c"), []any{"1", "2", nil})
	expect(t, "HMGET again", client.HMGet(ctx, key, "a", "b", "c"), []any{"1", "2", nil})
	expect(t, "HSET again", client.HSet(ctx, key, "a", "3"), int64(0))
	expect(t, "HMGET after HSET", client.HMGet(ctx, key, "a", "b", "c"), []any{"3", "2", nil})
	expect(t, "HGET", client.HGet(ctx, key, "a"), "3")
	expect(t, "HGETALL", client.HGetAll(ctx, key), map[string]string{"a": "3", "b": "2"})
	expect(t, "EXPIRE", client.Expire(ctx, key, time.Hour), true)

	multi := client.TxPipeline()
	inMulti, readInMulti := multi.HSet(ctx, key, "c", "5"), multi.HMGet(ctx, key, "a", "b", "c")
	if _, err := multi.Exec(ctx); err != nil {
		t.Errorf("MULTI/EXEC: %v", err)
	}
	expect(t, "HSET in MULTI", inMulti, int64(1))
	expect(t, "HMGET in MULTI", readInMulti, []any{"3", "2", "5"})

	pipe := client.Pipeline()
	piped, readPiped, missing := pipe.HSet(ctx, key, "d", "7"), pipe.HMGet(ctx, key, "d", "a"), pipe.HMGet(ctx, key, "z")
	if _, err := pipe.Exec(ctx); err != nil {
		t.Errorf("pipeline: %v", err)
	}
	expect(t, "HSET in a pipeline", piped, int64(1))
	expect(t, "HMGET in a pipeline", readPiped, []any{"7", "3"})
	expect(t, "HMGET of a missing field", missing, []any{nil})

	watched := client.Watch(ctx, func(tx *redis.Tx) error {
		_, err := tx.TxPipelined(ctx, func(in redis.Pipeliner) error {
			in.HSet(ctx, key, "a", "9")
			return nil
		})
		return err
	}, key)
	if watched != nil {
		t.Errorf("WATCH: %v", watched)
	}
	expect(t, "HGET after WATCH", client.HGet(ctx, key, "a"), "9")
	expect(t, "DEL", client.Del(ctx, key), int64(1))
	expect(t, "HMGET after DEL", client.HMGet(ctx, key, "a", "b"), []any{nil, nil})
}

// answer is a go-redis command that has been sent.
type answer[T any] interface{ Result() (T, error) }

// expect fails the test when a command of go-redis did not answer want.
func expect[T any](t *testing.T, what string, command answer[T], want T) {
	t.Helper()
	got, err := command.Result()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: answered %v, %v, want %v", what, got, err, want)
	}
}

// cliSession is a session of redis-cli as a person sees it.
var cliSession = []struct{ command, prints string }{
	{"PING", "PONG"},
	{"HSET st_1 a 1 b 2", "(integer) 2"},
	{"HMGET st_1 a b c", "1) \"1\"\n2) \"2\"\n3) (nil)"},
	{"HMGET st_1 a b c", "1) \"1\"\n2) \"2\"\n3) (nil)"},
	{"HSET st_1 a 3", "(integer) 0"},
	{"HMGET st_1 a b c", "1) \"3\"\n2) \"2\"\n3) (nil)"},
	{"HGET st_1 a", "\"3\""},
	{"HLEN st_1", "(integer) 2"},
	{"EXPIRE st_1 1000", "(integer) 1"},
	{"MULTI", "OK"},
	{"HSET st_1 c 5", "QUEUED"},
	{"HMGET st_1 a c", "QUEUED"},
	{"EXEC", "1) (integer) 1\n2) 1) \"3\"\n   2) \"5\""},
	{"DEL st_1", "(integer) 1"},
	{"HMGET st_1 a b c", "1) (nil)\n2) (nil)\n3) (nil)"},
	{"HGETALL st_1", "(empty array)"},
}

func TestRedisCLI(t *testing.T) {
	p := startProxy(t, "auto", startStore(t).addr)
	_, port, _ := strings.Cut(p.addr, ":")
	var commands, want strings.Builder
	for _, step := range cliSession {
		commands.WriteString(step.command + "\n")
		want.WriteString(step.prints + "\n")
	}
	for _, protocol := range []string{"-2", "-3"} {
		t.Run("RESP"+protocol[1:], func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), needProgram(t, "redis-cli"), "-p", port, "--no-raw", protocol)
			cmd.Stdin = strings.NewReader(commands.String())
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("redis-cli: %v\n%s", err, out)
			}
			expected := want.String()
			if protocol == "-3" {
				// HGETALL is a map there, and prints as one.
				expected = strings.Replace(expected, "(empty array)", "(empty hash)", 1)
			}
			if got := string(out); got != expected {
				t.Errorf("redis-cli printed\n%s\nwant\n%s", got, expected)
			}
		})
	}
}
