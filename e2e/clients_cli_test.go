//go:build e2e

package e2e

import (
	"os/exec"
	"strings"
	"testing"
)

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
