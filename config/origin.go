package config

import "fmt"

// Origin tells where a value came from. The zero Origin is the default.
type Origin struct {
	source source
	name   string // path of the file, name of the variable, name of the flag, or of who asked
	line   int    // of the file or of the variable's text, from 1; 0 where it is not known
}

type source int

const (
	fromDefault source = iota
	fromFile
	fromEnvironment
	fromFlag
	fromCaller
)

// String names the origin as a person would look for it: "flag --listen".
func (o Origin) String() string {
	switch o.source {
	case fromFlag:
		return "flag --" + o.name
	case fromEnvironment:
		if o.line > 1 {
			return fmt.Sprintf("environment variable %s, line %d of it", o.name, o.line)
		}
		return "environment variable " + o.name
	case fromCaller:
		return o.name
	case fromFile:
		if o.line > 0 {
			return fmt.Sprintf("file %s, line %d", o.name, o.line)
		}
		return "file " + o.name
	default:
		return "default"
	}
}
