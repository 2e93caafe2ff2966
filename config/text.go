package config

import "errors"

// CheckText tells what is wrong with a text that a flag, a variable or an
// annotation gives for the option, taken by itself: no file is looked at, and
// no other option. Its error joins one [Problem] for each fault.
func (o Option) CheckText(text string) error {
	given, problems := o.readText(text, Origin{})
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	_, faults := o.read(given.values[o.Key])
	for _, f := range faults {
		problems = append(problems, newProblem(o.Key+f.part, f.text, f.reason, Origin{}))
	}
	return errors.Join(problems...)
}

// Nearest is the candidate that an unknown dotted name most likely means, or ""
// where none is near.
func Nearest(name string, candidates []string) string {
	if best := sameEnding(name, ".", candidates); best != "" {
		return best
	}
	return fewestTypos(name, candidates)
}
