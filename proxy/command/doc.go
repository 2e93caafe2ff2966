// Package command is the one table of Redis commands: names, arity, flags, key
// positions, and what fsproxy does with each (its Class). Dispatch, routing by
// key, invalidation after writes, the COMMAND reply and the documentation all
// read it, so they cannot disagree.
//
// table.go is generated from a redis-server 7.0.15; newer.go adds by hand what
// later servers brought and clients already send; classes.go is fsproxy's own
// decision for each command, with its reason. A command that is in none of
// them is unknown here, not forbidden: it is forwarded, and the store says
// what it thinks of it.
//
// Everything here is built once, read only afterwards, and safe for concurrent
// use.
package command

//go:generate go run ./internal/generate -out table.go
