package resp

import (
	"strings"
	"testing"
)

func TestRepliesAreWrittenAsEachVersionHasThem(t *testing.T) {
	tests := []struct {
		name   string
		append func(Version) []byte
		v2, v3 string
	}{
		{"null", func(v Version) []byte { return AppendNil(nil, v) }, "$-1\r\n", "_\r\n"},
		{"null array", func(v Version) []byte { return AppendNilArray(nil, v) }, "*-1\r\n", "_\r\n"},
		{"map", func(v Version) []byte { return AppendMap(nil, v, 3) }, "*6\r\n", "%3\r\n"},
		{"set", func(v Version) []byte { return AppendSet(nil, v, 3) }, "*3\r\n", "~3\r\n"},
		{"verbatim", func(v Version) []byte { return AppendVerbatim(nil, v, "a\r\nb") }, "$4\r\na\r\nb\r\n", "=8\r\ntxt:a\r\nb\r\n"},
	}
	for _, tt := range tests {
		if got := string(tt.append(V2)); got != tt.v2 {
			t.Errorf("%s, version 2: %q", tt.name, got)
		}
		if got := string(tt.append(V3)); got != tt.v3 {
			t.Errorf("%s, version 3: %q", tt.name, got)
		}
	}
}

func TestErrorIsOneLineWhateverItsText(t *testing.T) {
	for _, text := range []string{"ERR no", "", "ERR a\r\n+OK\r\nb", "\n", "\r\r", "ERR expected '$', got '\r'"} {
		b := AppendError([]byte("+before\r\n"), text)
		line := strings.TrimPrefix(string(b), "+before\r\n")
		n, err := NewFramer(replyLimit).Next([]byte(line))
		breaks := strings.Count(line, "\r") + strings.Count(line, "\n")
		if err != nil || n != len(line) || line[0] != '-' || len(line) != len(text)+3 || breaks != 2 {
			t.Errorf("%q: %q, %d, %v", text, line, n, err)
		}
	}
}

func TestAppendedCommandIsReadBack(t *testing.T) {
	for _, args := range [][]string{{"PING"}, {"HMGET", "k", "", "a\r\nb", strings.Repeat("x", 1000)}, {"\x00\xff"}} {
		got := readRequests(t, DefaultLimits, AppendCommand(nil, args...), 3)
		if got.err != nil || len(got.args) != 1 || strings.Join(got.args[0], "|") != strings.Join(args, "|") {
			t.Errorf("%q: %q, %v", args, got.args, got.err)
		}
	}
}
