package resp

import (
	"slices"
	"testing"
)

func TestInlineIsSplitAsRedisSplitsIt(t *testing.T) {
	tests := []struct {
		line string
		want []string
		ok   bool
	}{
		{"", nil, true},
		{" \t\v\f\r ", nil, true},
		{"GET k", []string{"GET", "k"}, true},
		{"  GET\t\t k  ", []string{"GET", "k"}, true},
		{`SET k ""`, []string{"SET", "k", ""}, true},
		{`SET "a b" 'c d'`, []string{"SET", "a b", "c d"}, true},
		{`"\n\r\t\b\a\\\"\q"`, []string{"\n\r\t\b\a\\\"q"}, true},
		{`"\x41\xfF\x00"`, []string{"A\xff\x00"}, true},
		{`"\x4g\x"`, []string{"x4gx"}, true},
		{`'\n\'\x41\\ '`, []string{`\n'\x41\\ `}, true},
		{`'a\\'`, nil, false}, // the second backslash escapes the quote
		{`a"b c"`, []string{"ab c"}, true},
		{`a'b'"c"`, nil, false},
		{`a\"b`, nil, false},
		{`a\b`, []string{`a\b`}, true},
		{"a\vb\fc", []string{"a\vb\fc"}, true},
		{"a \v\fb", []string{"a", "b"}, true},
		{"\"a\"\vb", []string{"a", "b"}, true},
		{`"a"b`, nil, false},
		{`"a`, nil, false},
		{`'a`, nil, false},
		{`"a\`, nil, false},
		{`'a\'`, nil, false},
		{`"`, nil, false},
	}
	for _, tt := range tests {
		got, ok := splitInline(nil, []byte(tt.line))
		if ok != tt.ok || !slices.EqualFunc(got, tt.want, func(a []byte, b string) bool { return string(a) == b }) {
			t.Errorf("%q: %q, %v; want %q, %v", tt.line, got, ok, tt.want, tt.ok)
		}
	}
}
