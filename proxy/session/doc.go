// Package session is what a connection has said about itself (its name, its
// protocol version, its database …) and the commands that fsproxy answers
// without a store, in Redis' own words and reply types for both protocol
// versions.
//
// A Server is shared by all connections; a Session belongs to one. The
// package knows no socket: Answer appends a reply to a buffer and returns, as
// an Effect, what the connection has to do besides. The texts of replies and
// errors are those of Redis 7.0.15; testdata holds what it said.
package session
