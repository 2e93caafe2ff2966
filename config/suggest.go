package config

import "strings"

// suggest returns " (did you mean X?)" for the candidate nearest to an unknown
// name, or "" where none is near. separator is what joins the parts of a name:
// a right last part under a wrong or missing first one is nearest.
func suggest(name, separator string, candidates []string) string {
	best := sameEnding(name, separator, candidates)
	if best == "" {
		best = fewestTypos(name, candidates)
	}
	if best == "" {
		return ""
	}
	return " (did you mean " + best + "?)"
}

func fewestTypos(name string, candidates []string) string {
	best, least := "", maxTypos(name)+1
	for _, c := range candidates {
		if d := editDistance(strings.ToLower(name), strings.ToLower(c)); d < least {
			best, least = c, d
		}
	}
	return best
}

// maxTypos is how many letters may differ: a third of the name, so that short
// names do not match everything.
func maxTypos(name string) int {
	return len(name) / 3
}

func sameEnding(name, separator string, candidates []string) string {
	ending := separator + name[strings.LastIndex(name, separator)+1:]
	if rest, found := strings.CutPrefix(name, variablePrefix); found {
		ending = "_" + rest // the parts of a variable contain the separator themselves
	}
	for _, c := range candidates {
		if strings.HasSuffix(c, ending) {
			return c
		}
	}
	return ""
}

// editDistance is Levenshtein's: insertions, deletions and substitutions of
// one byte each. Names of options are short.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
