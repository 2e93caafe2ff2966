//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// answer is a reply taken apart, for those that cannot be compared as bytes.
type answer struct {
	kind     byte   // the first of its bytes
	text     string // the rest of its line, or a bulk's bytes
	elements []answer
}

// parseAnswer takes one whole reply apart.
func parseAnswer(reply string) (answer, error) {
	a, rest, err := cutAnswer(reply)
	if err == nil && rest != "" {
		err = fmt.Errorf("%q follows the reply", rest)
	}
	return a, err
}

func cutAnswer(b string) (a answer, rest string, err error) {
	line, rest, ok := strings.Cut(b, "\r\n")
	if !ok || line == "" {
		return a, "", fmt.Errorf("no line in %q", b)
	}
	a.kind, a.text = line[0], line[1:]
	n, err := strconv.Atoi(a.text)
	switch a.kind {
	case '$', '=', '!':
		if err != nil || n >= 0 && n > len(rest)-2 {
			return a, "", fmt.Errorf("length of %q", b)
		}
		if n >= 0 {
			a.text, rest = rest[:n], rest[n+2:]
		}
		return a, rest, nil
	case '*', '~', '>', '%':
		if err != nil {
			return a, "", fmt.Errorf("length of %q", b)
		}
		if a.kind == '%' {
			n *= 2
		}
		for range n {
			var e answer
			if e, rest, err = cutAnswer(rest); err != nil {
				return a, "", err
			}
			a.elements = append(a.elements, e)
		}
		return a, rest, nil
	}
	return a, rest, nil
}

func (a answer) equal(b answer) bool {
	return a.kind == b.kind && a.text == b.text && slices.EqualFunc(a.elements, b.elements, answer.equal)
}

// sorted is the answer with its elements in an order of their own, taken each
// elements together: 2 for the pairs of a map.
func (a answer) sorted(each int) answer {
	if a.kind == '%' {
		each = 2
	}
	if len(a.elements)%each != 0 {
		return a
	}
	groups := slices.Collect(slices.Chunk(a.elements, each))
	slices.SortFunc(groups, func(x, y []answer) int {
		return strings.Compare(fmt.Sprint(x), fmt.Sprint(y))
	})
	a.elements = slices.Concat(groups...)
	return a
}
