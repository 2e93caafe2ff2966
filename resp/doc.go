// Package resp is the Redis protocol on the wire, versions 2 and 3: bounded
// request frames in, reply frames out.
//
// It finds where a frame ends and what it is made of, in place and without
// allocation, and trusts no length that it reads: each is checked against a
// limit before anything is sized by it. It knows no socket, no command and no
// cache. Replies are written with redcon's Append functions; append.go adds
// what those lack (nulls by protocol version, maps, pushes, Redis' errors).
//
// Sources: https://redis.io/docs/latest/develop/reference/protocol-spec/ and,
// for the behaviour on malformed input, networking.c of Redis 7.0.
package resp
