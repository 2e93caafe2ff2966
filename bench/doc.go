// Package bench measures what an HMGET costs a feature store and the proxy in
// front of it.
//
// It starts the servers to compare as processes of their own, loads the same
// features into each store, asks all of them for the same entities in
// alternating rounds, and reports throughput, server CPU a command and latency.
// CPU is read from the process's own CPU clock, so it covers everything that
// the kernel does on the server's behalf. The load generator is cheap: requests
// are copied from rendered parts and replies are framed, not decoded. Every
// reply of the first two passes, cold and warm, is compared with what was
// loaded; later ones by their length.
//
// Run is the way in; the command line is cmd/fsproxy. The package does not know
// the proxy: it talks to it over a socket like to any other server.
package bench
