package resp

import (
	"testing"
)

func TestElementsSplitAnyArray(t *testing.T) {
	for _, c := range []struct {
		frame string
		want  []string
		ok    bool
	}{
		{"*0\r\n", nil, true},
		{"*2\r\n$1\r\na\r\n$-1\r\n", []string{"$1\r\na\r\n", "$-1\r\n"}, true},
		{"*3\r\n*1\r\n:1\r\n_\r\n-ERR x\r\n", []string{"*1\r\n:1\r\n", "_\r\n", "-ERR x\r\n"}, true},
		{"*2\r\n%1\r\n+a\r\n:1\r\n=5\r\ntxt:a\r\n", []string{"%1\r\n+a\r\n:1\r\n", "=5\r\ntxt:a\r\n"}, true},
		{"*-1\r\n", nil, false},
		{"*2\r\n:1\r\n", nil, false},
		{"*1\r\n:1\r\n:2\r\n", nil, false},
		{"+OK\r\n", nil, false},
		{"~1\r\n:1\r\n", nil, false},
		{"", nil, false},
	} {
		ends, ok := Elements([]byte(c.frame), nil)
		if ok != c.ok {
			t.Errorf("%q: %v, want %v", c.frame, ok, c.ok)
			continue
		}
		if !ok {
			continue
		}
		if len(ends) != len(c.want)+1 {
			t.Errorf("%q: %d elements, want %d", c.frame, len(ends)-1, len(c.want))
			continue
		}
		for i, w := range c.want {
			if got := c.frame[ends[i]:ends[i+1]]; got != w {
				t.Errorf("%q: element %d is %q, want %q", c.frame, i, got, w)
			}
		}
	}
}

func TestIntegerAndTextReadNothingElse(t *testing.T) {
	for frame, want := range map[string]int64{":0\r\n": 0, ":-12\r\n": -12, ":9223372036854775807\r\n": 1<<63 - 1} {
		if got, ok := Integer([]byte(frame)); !ok || got != want {
			t.Errorf("%q: %d, %v", frame, got, ok)
		}
	}
	for _, frame := range []string{"", "+1\r\n", ":\r\n", ":x\r\n", ":9223372036854775808\r\n", "$1\r\n1\r\n"} {
		if got, ok := Integer([]byte(frame)); ok {
			t.Errorf("%q is read as %d", frame, got)
		}
	}
	for frame, want := range map[string]string{"$0\r\n\r\n": "", "$3\r\na\r\n\r\n": "a\r\n", "=7\r\ntxt:abc\r\n": "abc"} {
		if got, ok := Text([]byte(frame)); !ok || string(got) != want {
			t.Errorf("%q: %q, %v", frame, got, ok)
		}
	}
	for _, frame := range []string{"", "$-1\r\n", "_\r\n", "+OK\r\n", "$5\r\nabc\r\n"} {
		if got, ok := Text([]byte(frame)); ok {
			t.Errorf("%q is read as %q", frame, got)
		}
	}
}
