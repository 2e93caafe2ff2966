// Package e2e drives the built fsproxy binary as a user would: real
// redis-server processes behind it, real clients in front of it, its own
// metrics as witness.
//
// It knows the binary only by its command line, its sockets and its metrics;
// it imports nothing of the project. All files but this one carry the build
// tag e2e, so `go test ./...` needs no Redis. `make e2e-setup` installs what
// the tests need and `make e2e` runs them. Where something is missing the
// tests that need it fail and name it: a skipped test would look like a
// passed one.
//
// Environment:
//
//	FSPROXY_BIN          the binary to drive; built from ../cmd/fsproxy if empty
//	FSPROXY_E2E_CACHE    where e2e-setup keeps downloads
//	                     (default ${XDG_CACHE_HOME:-~/.cache}/fsproxy-e2e)
//	FSPROXY_CHAOS        how long each failure of a fleet goes on, one after the
//	                     other (default 2.5 s, several at once)
//	FSPROXY_SOAK         how long the soak goes on (default 1m)
//	FSPROXY_SOAK_SEED    the seed of a soak to be played again; each has its own
//	FSPROXY_E2E_SHOTS    a folder for pictures of the page, for people to look at;
//	                     none are taken if empty
//	FSPROXY_REPLAY_DAYS  days of flights to replay: a number, or all (default 7)
package e2e
