package config

import (
	"errors"
	"testing"
)

func TestATextIsCheckedByItselfWithoutFilesAndOtherOptions(t *testing.T) {
	byKey := map[string]Option{}
	for _, o := range Options() {
		byKey[o.Key] = o
	}
	for _, c := range []struct{ key, text, problem string }{
		{"cache.max_bytes", "1GiB", ""},
		{"cache.max_bytes", "lots", "cache.max_bytes"},
		{"cache.negative_max_age", "2h", ""}, // more than max_age, which is another option
		{"upstream.password_file", "/does/not/exist", ""},
		{"upstream.addresses", "a:1,b", "upstream.addresses[1]"},
		{"listeners", "127.0.0.1:6379,nowhere", "listeners[1].address"},
	} {
		err := byKey[c.key].CheckText(c.text)
		var problem *Problem
		if errors.As(err, &problem) != (c.problem != "") || problem != nil && problem.Key != c.problem {
			t.Errorf("%s = %q: %v, want a problem of %q", c.key, c.text, err, c.problem)
		}
	}
}

func TestTheNearestNameIsNamedAndNoneWhereNoneIsNear(t *testing.T) {
	names := []string{"cache.max_bytes", "cache.max_age", "address-env"}
	for name, want := range map[string]string{
		"max_bytes": "cache.max_bytes", "limits.max_age": "cache.max_age", "cache.max_byte": "cache.max_bytes", "adress-env": "address-env", "zebra": "",
	} {
		if got := Nearest(name, names); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
