// Package rcm is the Redis Cluster Manager: a discovery service that makes a
// fleet of plain, interchangeable fetchers look like a Redis Cluster. It
// answers CLUSTER SLOTS, SHARDS and NODES, and what cluster clients say to
// introduce themselves; it holds no data, and sends whoever asks it for some to
// a node of the owner's shard (MOVED).
//
// All nodes of a shard are equals. Which of them is listed first, and so taken
// for the primary, turns with the client's source address, so that clients who
// read from primaries alone spread over all nodes. Replies are rendered once
// for each such turn of a topology.
//
// The topology comes from a file (Load, Watch) or from the embedding program
// (SetTopology).
package rcm
