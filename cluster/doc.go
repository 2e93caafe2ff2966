// Package cluster is the upstream side of fsproxy: which fetchers there are,
// which slots each of them answers for, and how what the cache lacks is read
// from them. It knows no client.
//
// A Discovery asks the configured addresses for a Topology, an immutable table
// of the 16,384 hash slots. What it is told is checked before it is believed:
// overlapping slots, malformed addresses and replies that cannot be are errors,
// and bytes from upstream can never end the process (see Checked).
package cluster
