// Package rcm is the Redis Cluster Manager: a discovery service that makes a
// fleet of plain, interchangeable fetchers look like a Redis Cluster. It
// answers CLUSTER SLOTS, SHARDS and NODES, and what cluster clients say to
// introduce themselves; it holds no data, and sends whoever asks it for some to
// a node of the owner's shard (MOVED).
//
// All nodes of a shard are equals. Each client is told a few of them, chosen by
// its address or by the id that it announces, the same by every RCM, so that
// load is even over the fleet and nobody's latency grows with its size (see
// choose). Which is listed first, and so taken for the primary, turns with the
// client too. Replies are rendered once for each client's view of a topology.
//
// The fleet comes from a file (Load), from a source that the file names, Pods or
// DNS (Follow), or from the embedding program (SetTopology).
package rcm
