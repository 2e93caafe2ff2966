// Package wire is connections below the protocol.
//
// Output is the sending side of a connection that many goroutines answer on:
// ordered, bounded, and never blocking those who write. Poll waits for many
// connections on one goroutine, on systems that can (Linux): a request that is
// answered at once then costs no change of goroutines. Where it cannot be used
// (other systems, TLS), a goroutine a connection does the same.
package wire
