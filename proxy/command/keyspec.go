package command

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/fsproxy/fsproxy/resp"
)

// keySpec says where some of a command's keys are, after
// https://redis.io/docs/latest/develop/reference/key-specs/: how to find where
// they begin, and from there how many there are.
type keySpec struct {
	access byte // 'r' read only; 'w' may be written; 'x' no key but hashed like one (a shard channel)

	index   int    // of the first key, when keyword is empty
	keyword string // the argument before the first key, in lower case
	from    int    // where the search for keyword starts; negative: from the end, backwards

	keynum bool // a count of keys is at first+a, the keys begin at first+b
	a, b   int  // without keynum: a is the last key relative to the first (negative: from the end), b the divisor of the rest (XREAD: half are keys)
	step   int
}

// parseSpecs reads the tables' notation: specs between blanks, each
//
//	access@begin+find
//
// with begin an index ("1") or "KEYWORD/from", and find "last,step,limit" or
// "#keynumidx,firstkey,step". Without "+find" it is the one key at begin. As in
// SET "w@1", MSET "w@1+-1,2,0", ZUNIONSTORE "w@1 r@2+#0,1,1",
// XREAD "r@STREAMS/1+-1,1,2".
func parseSpecs(s string) []keySpec {
	var specs []keySpec
	for text := range strings.FieldsSeq(s) {
		spec, err := parseSpec(text)
		if err != nil {
			panic(fmt.Sprintf("command: key spec %q: %v", text, err))
		}
		specs = append(specs, spec)
	}
	return specs
}

func parseSpec(text string) (keySpec, error) {
	spec := keySpec{access: text[0], step: 1}
	_, rest, ok := strings.Cut(text, "@")
	if !ok || !strings.Contains("rwx", text[:1]) {
		return spec, fmt.Errorf("want r@, w@ or x@")
	}
	begin, find, _ := strings.Cut(rest, "+")
	word, from, isWord := strings.Cut(begin, "/")
	if !isWord {
		from = begin
	}
	at, err := strconv.Atoi(from)
	if err != nil {
		return spec, err
	}
	if isWord {
		spec.keyword, spec.from = strings.ToLower(word), at
	} else {
		spec.index = at
	}
	if find == "" {
		return spec, nil
	}
	find, spec.keynum = strings.CutPrefix(find, "#")
	var numbers [3]int
	for i, n := range strings.Split(find, ",") {
		if numbers[i], err = strconv.Atoi(n); err != nil {
			return spec, err
		}
	}
	spec.a, spec.b, spec.step = numbers[0], numbers[1], numbers[2]
	if !spec.keynum {
		spec.b, spec.step = spec.step, spec.b
	}
	return spec, nil
}

// span returns where spec's first and last key are in args. none: the command
// has none of these keys. Not ok: args cannot be right.
func (s *keySpec) span(args [][]byte) (first, last int, none, ok bool) {
	first = s.index
	if s.keyword != "" {
		if first = s.afterKeyword(args); first == 0 {
			return 0, 0, true, true
		}
	}
	switch {
	case s.keynum:
		if first+s.a >= len(args) {
			return 0, 0, false, false
		}
		n, isInt := resp.ParseInt(args[first+s.a])
		if !isInt || n <= 0 || n > int64(len(args)) {
			return 0, 0, false, false
		}
		first += s.b
		last = first + (int(n)-1)*s.step
	case s.a >= 0:
		last = first + s.a
	case s.b == 0:
		last = len(args) + s.a
	default:
		last = first + (len(args)-first)/s.b + s.a
	}
	return first, last, false, first <= last && last < len(args)
}

// afterKeyword returns the index of the argument behind the keyword; 0 if the
// keyword is not there.
func (s *keySpec) afterKeyword(args [][]byte) int {
	if s.from > 0 {
		for i := s.from; i < len(args)-1; i++ {
			if equalFold(args[i], s.keyword) {
				return i + 1
			}
		}
		return 0
	}
	for i := len(args) + s.from; i > 1 && i < len(args); i-- {
		if equalFold(args[i], s.keyword) {
			return i + 1
		}
	}
	return 0
}
