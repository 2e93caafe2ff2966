// Package config is the whole option tree of fsproxy: one table of options
// (see [Options]) from which the defaults, the environment variables, the
// command-line flags, the help text and the table in docs/OPERATIONS.md are
// all made, so that none of them can drift from the others.
//
// [Load] joins flag, environment, file and default, in that precedence, into
// an immutable [Config], or reports every unknown, malformed or contradictory
// option at once, each with its value, what is accepted and where it came
// from. A new configuration is a new Config: nothing here changes one.
//
// The package opens no socket, logs nothing, and keeps secrets out of every
// printed form. Any other package may read a Config; only cmd calls Load.
package config
