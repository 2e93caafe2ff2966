package resp

import (
	"fmt"
	"strings"
	"testing"
)

// The limits for who has yet to authenticate are Redis': 10 arguments of 16 KiB
// each, known at their length lines. Others are not held to them.
func TestStrangersAreHeldToLowerLimits(t *testing.T) {
	arguments := func(n, length int) string {
		return fmt.Sprintf("*%d\r\n", n) + strings.Repeat(fmt.Sprintf("$%d\r\n%s\r\n", length, strings.Repeat("x", length)), n)
	}
	for _, tc := range []struct{ request, want string }{
		{arguments(10, 5), ""},
		{arguments(11, 5), "Protocol error: unauthenticated multibulk length"},
		{"*11\r\n", "Protocol error: unauthenticated multibulk length"},
		{"*2147483648\r\n", "Protocol error: invalid multibulk length"},
		{arguments(10, 16384), ""},
		{arguments(1, 16385), "Protocol error: unauthenticated bulk length"},
		{"*2\r\n$4\r\nAUTH\r\n$16385\r\n", "Protocol error: unauthenticated bulk length"},
		{"*1\r\n$-1\r\n", "Protocol error: invalid bulk length"},
		{"*1\r\n$9999999999999\r\n", "Protocol error: invalid bulk length"},
		{strings.Repeat("x ", 20) + "\r\n", ""}, // inline: as for everybody
	} {
		for _, stranger := range []bool{true, false} {
			p := NewParser(DefaultLimits)
			p.Stranger(stranger)
			n, err := p.Next([]byte(tc.request))
			want := tc.want
			if !stranger && strings.Contains(want, "unauthenticated") {
				want = ""
			}
			switch {
			case want == "" && (err != nil || stranger && n != len(tc.request)):
				t.Errorf("%.30q (stranger: %v): %d, %v", tc.request, stranger, n, err)
			case want != "" && (err == nil || err.Error() != want):
				t.Errorf("%.30q (stranger: %v): %d, %v, want %q", tc.request, stranger, n, err, want)
			}
		}
	}
}

// The limits follow from one request to the next.
func TestLimitsFollowAuthentication(t *testing.T) {
	long := []byte("*11\r\n" + strings.Repeat("$1\r\nx\r\n", 11))
	p := NewParser(DefaultLimits)
	if n, err := p.Next(long); n != len(long) || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	p.Stranger(true)
	if _, err := p.Next(long); err == nil {
		t.Fatal("a stranger's request is not limited")
	}
	p.Stranger(false)
	if n, err := p.Next(long); n != len(long) || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
}
