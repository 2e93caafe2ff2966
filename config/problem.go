package config

import (
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing wrong with one option. [Load] joins all of them with
// errors.Join; errors.As finds the first.
type Problem struct {
	Key    string // full dotted key, or the name of an unknown variable
	Value  string // as given; credentials masked
	Reason string // what is wrong, and what is accepted instead
	Origin Origin

	valueless bool // there is no value to show
}

// Error is one line: key, value, reason, origin.
func (p *Problem) Error() string {
	if p.valueless {
		return p.Key + ": " + p.Reason + " (" + p.Origin.String() + ")"
	}
	return p.Key + " = " + strconv.Quote(p.Value) + ": " + p.Reason + " (" + p.Origin.String() + ")"
}

const (
	// mask stands where a secret would.
	mask = "********"

	// maxShownValue, in bytes, keeps an error on a line that can be read when
	// a whole file was pasted into an option.
	maxShownValue = 120
)

// newProblem masks what may be a credential in the value: people paste URLs
// with a password into address options, and errors end up in logs.
func newProblem(key, value, reason string, origin Origin) *Problem {
	if at := strings.LastIndexByte(value, '@'); at >= 0 {
		value = mask + value[at:]
	}
	if soundsSecret(key) {
		value = mask
	}
	if len(value) > maxShownValue {
		value = value[:maxShownValue] + "…"
	}
	return &Problem{Key: key, Value: value, Reason: reason, Origin: origin}
}

// soundsSecret tells whether the value of an unknown option is better not
// repeated. No option of ours is secret: passwords are in files.
func soundsSecret(key string) bool {
	if slices.ContainsFunc(Options(), func(o Option) bool { return o.Key == key }) {
		return false
	}
	key = strings.ToLower(key)
	if strings.HasSuffix(key, "_file") {
		return false
	}
	for _, word := range []string{"password", "passwd", "secret", "token", "credential", "auth"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}
