package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Form is the shape of a value: how it is described and how it is read.
type Form struct {
	Kind     string // one or two words: "duration", "bytes", "integer" …
	Accepted string // what is accepted, as a phrase that ends an error message
	List     bool   // several values, each of this form
	Empty    bool   // a list may have none

	// read turns text into the value; its error says only what is wrong, since
	// Accepted says what would be right.
	read func(text string) (any, error)
}

// durations is a form from least to most, both included.
func durations(least, most time.Duration) Form {
	return Form{
		Kind:     "duration",
		Accepted: fmt.Sprintf("a duration with its unit (ms, s, m, h) from %s to %s", formatDuration(least), formatDuration(most)),
		read: func(text string) (any, error) {
			d, err := time.ParseDuration(text)
			if err != nil {
				return nil, errors.New("not a duration")
			}
			return d, inRange(d, least, most)
		},
	}
}

// sizes is a form from least to most, both included; with zero, 0 as well.
func sizes(least, most Bytes, zero ...string) Form {
	accepted := fmt.Sprintf("bytes, or a size in KiB, MiB, GiB, KB, MB or GB, from %s to %s", least, most)
	return Form{
		Kind:     "bytes",
		Accepted: orZero(accepted, zero),
		read: func(text string) (any, error) {
			n, err := ParseBytes(text)
			if err != nil || (n == 0 && len(zero) > 0) {
				return n, err
			}
			return n, inRange(n, least, most)
		},
	}
}

// integers is a form from least to most, both included; with zero, 0 as well.
func integers(least, most int, zero ...string) Form {
	return Form{
		Kind:     "integer",
		Accepted: orZero(fmt.Sprintf("a whole number from %d to %d", least, most), zero),
		read: func(text string) (any, error) {
			n, err := strconv.Atoi(text)
			if err != nil {
				return nil, errors.New("not a whole number")
			}
			if n == 0 && len(zero) > 0 {
				return n, nil
			}
			return n, inRange(n, least, most)
		},
	}
}

func orZero(accepted string, zero []string) string {
	if len(zero) == 0 {
		return accepted
	}
	return accepted + ", or 0: " + zero[0]
}

func inRange[T int | Bytes | time.Duration](n, least, most T) error {
	switch {
	case n < least:
		return errors.New("too small")
	case n > most:
		return errors.New("too large")
	}
	return nil
}

func choice[T ~string](values ...T) Form {
	names := make([]string, len(values))
	for i, v := range values {
		names[i] = string(v)
	}
	last := len(names) - 1
	return Form{
		Kind:     "choice",
		Accepted: strings.Join(names[:last], ", ") + " or " + names[last],
		read: func(text string) (any, error) {
			for _, v := range values {
				if string(v) == text {
					return v, nil
				}
			}
			return nil, errors.New("not one of the choices" + suggest(text, ".", names))
		},
	}
}

func boolean() Form {
	form := choice("true", "false")
	form.Kind = "boolean"
	names := form.read
	form.read = func(text string) (any, error) {
		_, err := names(text)
		return text == "true", err
	}
	return form
}

// words is any text that fits on a line.
func words(kind, accepted string) Form {
	return Form{
		Kind:     kind,
		Accepted: accepted,
		read: func(text string) (any, error) {
			if strings.ContainsAny(text, "\x00\r\n") {
				return nil, errors.New("more than one line of text")
			}
			return text, nil
		},
	}
}

// checked is text that a check accepts.
func checked(kind, accepted string, check func(string) error) Form {
	return Form{
		Kind:     kind,
		Accepted: accepted,
		read:     func(text string) (any, error) { return text, check(text) },
	}
}

func listOf(form Form) Form {
	form.List = true
	form.Kind = "list of " + form.Kind
	return form
}

// maybeNone also accepts empty text.
func maybeNone(form Form) Form {
	read := form.read
	form.Accepted += ", or empty"
	form.read = func(text string) (any, error) {
		if text == "" {
			return text, nil
		}
		return read(text)
	}
	return form
}

func maybeEmpty(form Form) Form {
	form.Empty = true
	return form
}

// formatDuration is Go's form without its zero tail: "1h" and not "1h0m0s".
func formatDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// formatValue is the text that the option's form reads back.
func formatValue(value any) string {
	switch v := value.(type) {
	case time.Duration:
		return formatDuration(v)
	case []string:
		return strings.Join(v, ",")
	case []Listener:
		addresses := make([]string, len(v))
		for i, l := range v {
			addresses[i] = l.Address
		}
		return strings.Join(addresses, ",")
	case []Marker:
		keys := make([]string, len(v))
		for i, m := range v {
			keys[i] = m.Key
		}
		return strings.Join(keys, ",")
	case []Topic:
		names := make([]string, len(v))
		for i, t := range v {
			names[i] = t.Name
		}
		return strings.Join(names, ",")
	case []Rule:
		return strings.Join(ruleNames(v), ",")
	default:
		return fmt.Sprint(v)
	}
}
