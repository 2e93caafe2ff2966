//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// phrasebook makes requests from phrases. A phrase is the words of a request;
// <name> is a word made up by words[name], with + behind it one to five of
// them; [ … ] is left out half of the time; ( a | b ) is one of its parts.
// Brackets, bars and + stand between blanks.
type phrasebook struct{ *rand.Rand }

// request makes a request from a phrase.
func (b phrasebook) request(phrase string) []string {
	words, rest := b.expand(strings.Fields(phrase), nil)
	if len(rest) > 0 {
		panic("unbalanced phrase: " + phrase)
	}
	return words
}

// expand appends what tokens make, up to the end of the group that they are in.
func (b phrasebook) expand(tokens, out []string) (words, rest []string) {
	for len(tokens) > 0 {
		token := tokens[0]
		tokens = tokens[1:]
		switch token {
		case "]", ")", "|":
			return out, append([]string{token}, tokens...)
		case "[":
			var group []string
			group, tokens = b.expand(tokens, nil)
			tokens = tokens[1:]
			if b.IntN(2) == 0 {
				out = append(out, group...)
			}
		case "(":
			var parts [][]string
			for closed := false; !closed; tokens = tokens[1:] {
				var part []string
				part, tokens = b.expand(tokens, nil)
				parts = append(parts, part)
				closed = tokens[0] == ")"
			}
			out = append(out, pick(b, parts)...)
		default:
			out = b.token(token, len(tokens) > 0 && tokens[0] == "+", out)
			if len(tokens) > 0 && tokens[0] == "+" {
				tokens = tokens[1:]
			}
		}
	}
	return out, nil
}

func (b phrasebook) token(token string, several bool, out []string) []string {
	if token[0] != '<' || len(token) < 3 {
		return append(out, token)
	}
	n := 1
	if several {
		n += b.IntN(5)
	}
	build, ok := words[token[1:len(token)-1]]
	if !ok {
		panic("no such word: " + token)
	}
	for range n {
		out = append(out, build(b)...)
	}
	return out
}

func pick[T any](b phrasebook, of []T) T { return of[b.IntN(len(of))] }

// oneIn is true once in n times.
func (b phrasebook) oneIn(n int) bool { return b.IntN(n) == 0 }

// words are what stands in angle brackets in a phrase. Few are meant to be
// wrong, but some are: errors have to be equal too.
var words = map[string]func(phrasebook) []string{}

func init() { // not a literal: some words are made of others
	one := func(name string, build func(phrasebook) string) {
		words[name] = func(b phrasebook) []string { return []string{build(b)} }
	}
	// Keys, by the type that they mostly are of.
	for kind, keys := range keysOf {
		one(kind, func(b phrasebook) string {
			switch b.IntN(40) {
			case 0, 1:
				return pick(b, allKeys)
			case 2:
				return pick(b, oddKeys)
			}
			return pick(b, keys)
		})
	}
	one("k", func(b phrasebook) string {
		if b.oneIn(2) {
			return pick(b, keysOf["h"])
		}
		return pick(b, allKeys)
	})
	one("f", func(b phrasebook) string {
		if b.oneIn(12) {
			return pick(b, oddFields)
		}
		return fmt.Sprintf("f%d", b.IntN(8))
	})
	one("v", value)
	words["fv"] = func(b phrasebook) []string { return append(words["f"](b), value(b)) }
	words["fields"] = func(b phrasebook) []string { return pick(b, projections) }
	words["kv"] = func(b phrasebook) []string { return []string{pick(b, keysOf["s"]), value(b)} }
	one("i", func(b phrasebook) string {
		if b.oneIn(10) {
			return pick(b, oddNumbers)
		}
		return fmt.Sprint(b.IntN(12) - 3)
	})
	one("n", func(b phrasebook) string { return fmt.Sprint(1 + b.IntN(3)) })
	one("d", func(b phrasebook) string {
		return pick(b, []string{"1", "2.5", "-3", "0", "1e3", "inf", "-inf", "3.14159", "x", "1", "2"})
	})
	one("m", func(b phrasebook) string { return fmt.Sprintf("m%d", b.IntN(6)) })
	words["dm"] = func(b phrasebook) []string { return []string{words["d"](b)[0], words["m"](b)[0]} }
	one("lex", func(b phrasebook) string { return pick(b, []string{"-", "+", "[m1", "(m3", "m", "[", "(m0"}) })
	one("bound", func(b phrasebook) string { return pick(b, []string{"-inf", "+inf", "1", "(2", "3", "x"}) })
	one("id", func(b phrasebook) string {
		return fmt.Sprintf("%d-%d", 1+b.IntN(9), b.IntN(3))
	})
	one("from", func(b phrasebook) string { return pick(b, []string{"-", "0", "1", "2-1", "(3-0", "5"}) })
	one("to", func(b phrasebook) string { return pick(b, []string{"+", "9", "4-2", "(5-0", "3"}) })
	one("group", func(b phrasebook) string { return pick(b, []string{"g1", "g2"}) })
	one("consumer", func(b phrasebook) string { return pick(b, []string{"c1", "c2"}) })
	one("channel", func(b phrasebook) string { return pick(b, []string{"ch1", "ch2", "ch3"}) })
	one("pattern", func(b phrasebook) string {
		return pick(b, []string{"*", "h*", "ch?", "[", "f[1-3]", "nothing", "\\*", "m*"})
	})
	one("far", func(b phrasebook) string { return fmt.Sprint(4102444800 + b.IntN(1000)) }) // the year 2100, in s
	one("db", func(b phrasebook) string { return pick(b, []string{"0", "0", "0", "1", "2", "15", "16", "-1", "x"}) })
	one("word", func(b phrasebook) string {
		return pick(b, []string{"a", "", "0", "1", "-1", "h1", "s1", "l1", "f1", "GET", "foo bar", "'quoted'", "\r\n", "\x00z", strings.Repeat("w", 140), "COUNT", "*"})
	})
	one("name", func(b phrasebook) string { return pick(b, []string{"me", "you", "a b", "", "\x80"}) })
	one("script", func(b phrasebook) string { return pick(b, scripts) })
	one("library", func(b phrasebook) string { return pick(b, libraries) })
	words["any"] = func(b phrasebook) []string {
		return b.request("( GET <s> | HMGET <h> <f> | EVAL x <i> <k> <k> | MSET <kv> + | ZUNIONSTORE <k> <n> <z> + | SORT <l> STORE <k> | XREAD STREAMS <x> 0 | PING | HGET <h> | <word> )")
	}
	one("lng", func(b phrasebook) string { return pick(b, []string{"13.361389", "15.087269", "2.35", "200", "0"}) })
	one("lat", func(b phrasebook) string { return pick(b, []string{"38.115556", "37.502669", "48.85", "0"}) })
}

// value is what is stored under keys and fields.
func value(b phrasebook) string {
	switch b.IntN(16) {
	case 0:
		return ""
	case 1:
		return "a\r\n$3\r\nb\x00"
	case 2:
		return strings.Repeat("long ", 20)
	case 3:
		return "x"
	case 4:
		if b.oneIn(20) {
			return strings.Repeat("very long ", 3000)
		}
		return "\xff\xfe"
	case 5, 6, 7:
		return fmt.Sprintf("%d.%d", b.IntN(9), b.IntN(100))
	}
	return fmt.Sprint(b.IntN(1000))
}

var keysOf = map[string][]string{
	"h":  {"h1", "h1", "h1", "h2", "h2", "h3", "{h}4", "h5"},
	"s":  {"s1", "s2", "s3"},
	"l":  {"l1", "l2"},
	"S":  {"S1", "S2", "S3"},
	"z":  {"z1", "z2", "z3"},
	"x":  {"x1", "x2"},
	"b":  {"b1", "b2"},
	"hl": {"p1", "p2"},
	"g":  {"g1"},
}

var allKeys = []string{"h1", "h2", "h3", "{h}4", "h5", "s1", "s2", "l1", "l2", "S1", "z1", "x1", "b1", "p1", "g1"}

var (
	oddKeys    = []string{"", "a key", "k\r\n", "\x00", strings.Repeat("k", 5000), "none"}
	oddFields  = []string{"", "a field", "f\r\n1", "\x00\xff", strings.Repeat("f", 300), "_ts:view"}
	oddNumbers = []string{"x", "", "1.5", " 1", "01", "+1", "-0", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1e2"}
)

// projections come again and again, as a model's do.
var projections = [][]string{
	{"f0"},
	{"f0", "f1", "f2"},
	{"f2", "f1", "f0"},
	{"f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7"},
	{"f3", "f3", "f9"},
	{"f7", "_ts:view"},
}

// scripts take one key and one argument, and do the same in every server.
var scripts = []string{
	"return redis.call('HGET',KEYS[1],'f0')",
	"return redis.call('HSET',KEYS[1],'f0',ARGV[1])",
	"redis.call('HDEL',KEYS[1],'f1') return redis.call('HMGET',KEYS[1],'f0','f1')",
	"redis.call('DEL',KEYS[1]) return {1,'two',{3}}",
	"return redis.error_reply('MY error')",
	"return redis.status_reply('FINE')",
	"return redis.call('HINCRBY',KEYS[1],'f2',ARGV[1])",
	"return redis.pcall('INCR',KEYS[1])",
	"redis.setresp(3) return redis.call('HGETALL','nothing')",
	"return {KEYS[1],ARGV[1],1.9,true,false}",
	"return nothing.there",
	"this is no Lua",
}

// libraries are for FUNCTION LOAD.
var libraries = []string{
	"#!lua name=lib\nredis.register_function('set', function(k,a) return redis.call('HSET',k[1],a[1],a[2]) end)",
	"#!lua name=lib\nredis.register_function{function_name='get', callback=function(k,a) return redis.call('HGET',k[1],a[1]) end, flags={'no-writes'}}",
	"no library",
}
