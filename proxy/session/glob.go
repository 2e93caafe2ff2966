package session

import "strings"

// globMatch tells whether name, in lower case, matches a pattern as Redis
// matches them, letters in any case: * ? [abc] [^a-z] and \ before a byte
// meant as itself. Its time is bounded by the product of the two lengths.
func globMatch(pattern []byte, name string) bool {
	p := strings.ToLower(string(pattern))
	i, j := 0, 0          // in p and name
	star, starAt := -1, 0 // behind the last *, and where in name it was tried
	for j < len(name) {
		if i < len(p) && p[i] == '*' {
			i++
			star, starAt = i, j
			continue
		}
		if next, ok := globByte(p, i, name[j]); ok {
			i, j = next, j+1
			continue
		}
		if star < 0 {
			return false
		}
		// Let the last * take one byte more. What an earlier one took need not
		// change: the last can make up for it.
		starAt++
		i, j = star, starAt
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}

// globByte matches ch with the element of p at i, and returns where the next
// one begins.
func globByte(p string, i int, ch byte) (next int, ok bool) {
	if i >= len(p) {
		return i, false
	}
	switch {
	case p[i] == '?':
		return i + 1, true
	case p[i] == '[':
		return globClass(p, i+1, ch)
	case p[i] == '\\' && i+1 < len(p):
		i++
	}
	return i + 1, p[i] == ch
}

// globClass matches ch with the class whose "[" is just before i. A class
// without an end goes to the pattern's.
func globClass(p string, i int, ch byte) (next int, ok bool) {
	not := i < len(p) && p[i] == '^'
	if not {
		i++
	}
	for ; i < len(p) && p[i] != ']'; i++ {
		switch {
		case p[i] == '\\' && i+1 < len(p):
			i++
			ok = ok || p[i] == ch
		case i+2 < len(p) && p[i+1] == '-':
			lo, hi := min(p[i], p[i+2]), max(p[i], p[i+2])
			ok = ok || lo <= ch && ch <= hi
			i += 2
		default:
			ok = ok || p[i] == ch
		}
	}
	return min(i+1, len(p)), ok != not
}
