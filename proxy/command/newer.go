package command

// newer are commands that servers after 7.0 brought, and that clients send
// whatever the store's version. Those that write are needed for their keys;
// whether the store has them is the store's to say. Same columns as table.go.
var newer = []row{
	// Redis 7.2
	{"client|no-touch", 3, "noscript loading stale", 0, 0, 0, "slow connection", "", "", "connection", "7.2.0", "Controls whether commands sent by the client affect the LRU/LFU of accessed keys"},
	{"client|setinfo", 4, "noscript loading stale", 0, 0, 0, "slow connection", "", "request_policy:all_nodes response_policy:all_succeeded", "connection", "7.2.0", "Sets information specific to the client or connection"},
	{"cluster|myshardid", 2, "stale", 0, 0, 0, "slow", "", "", "cluster", "7.2.0", "Returns the shard ID of a node"},
	{"waitaof", 4, "blocking", 0, 0, 0, "slow blocking connection", "", "request_policy:all_shards response_policy:agg_min", "generic", "7.2.0", "Blocks until all of the preceding write commands are fsynced"},

	// Redis 7.4: expiry of hash fields
	{"hexpire", -6, "write denyoom fast", 1, 1, 1, "write hash fast", "w@1", "", "hash", "7.4.0", "Sets the expiration time of hash fields in seconds"},
	{"hexpireat", -6, "write denyoom fast", 1, 1, 1, "write hash fast", "w@1", "", "hash", "7.4.0", "Sets the expiration time of hash fields as a Unix timestamp in seconds"},
	{"hexpiretime", -5, "readonly fast", 1, 1, 1, "read hash fast", "r@1", "", "hash", "7.4.0", "Returns the expiration time of hash fields as a Unix timestamp in seconds"},
	{"hpersist", -5, "write fast", 1, 1, 1, "write hash fast", "w@1", "", "hash", "7.4.0", "Removes the expiration time of hash fields"},
	{"hpexpire", -6, "write denyoom fast", 1, 1, 1, "write hash fast", "w@1", "", "hash", "7.4.0", "Sets the expiration time of hash fields in milliseconds"},
	{"hpexpireat", -6, "write denyoom fast", 1, 1, 1, "write hash fast", "w@1", "", "hash", "7.4.0", "Sets the expiration time of hash fields as a Unix timestamp in milliseconds"},
	{"hpexpiretime", -5, "readonly fast", 1, 1, 1, "read hash fast", "r@1", "", "hash", "7.4.0", "Returns the expiration time of hash fields as a Unix timestamp in milliseconds"},
	{"hpttl", -5, "readonly fast", 1, 1, 1, "read hash fast", "r@1", "", "hash", "7.4.0", "Returns the time to live of hash fields in milliseconds"},
	{"httl", -5, "readonly fast", 1, 1, 1, "read hash fast", "r@1", "", "hash", "7.4.0", "Returns the time to live of hash fields in seconds"},

	// Redis 8.0 to 8.4
	{"hgetdel", -5, "write fast", 1, 1, 1, "write hash fast", "w@1", "", "hash", "8.0.0", "Returns the values of hash fields and deletes them"},
	{"hgetex", -5, "write fast", 1, 1, 1, "write hash fast", "w@1", "", "hash", "8.0.0", "Returns the values of hash fields and sets their expiration"},
	{"hsetex", -6, "write denyoom fast", 1, 1, 1, "write hash fast", "w@1", "", "hash", "8.0.0", "Sets hash fields together with their expiration"},
	{"delex", -2, "write fast", 1, 1, 1, "keyspace write fast", "w@1", "", "string", "8.4.0", "Deletes a key if its value compares as asked"},
	{"digest", 2, "readonly fast", 1, 1, 1, "read string fast", "r@1", "", "string", "8.4.0", "Returns the hash digest of a string value"},
	{"msetex", -4, "write denyoom movablekeys", 0, 0, 0, "write string slow", "w@1+#0,1,2", "", "string", "8.4.0", "Sets keys together with their expiration"},
	{"xackdel", -6, "write fast", 1, 1, 1, "write stream fast", "w@1", "", "stream", "8.2.0", "Acknowledges and deletes stream entries"},
	{"xdelex", -5, "write fast", 1, 1, 1, "write stream fast", "w@1", "", "stream", "8.2.0", "Deletes stream entries by policy"},

	// Valkey 9
	{"delifeq", 3, "write fast", 1, 1, 1, "keyspace write string fast", "w@1", "", "string", "9.0.0", "Deletes a key if its value equals the given one"},

	// fsproxy's own
	{"features.get", -3, "readonly fast", 1, 1, 1, "read hash fast", "r@1", "", "hash", "1.0.0", "Returns features of an entity by their names, decoded"},
	{"features.mget", -4, "readonly movablekeys", 0, 0, 0, "read hash slow", "r@1+#0,1,1", "", "hash", "1.0.0", "Returns features of several entities by their names, decoded"},

	// Kvrocks
	{"hsetexpire", -5, "write denyoom fast", 1, 1, 1, "write hash fast", "w@1", "", "hash", "2.6.0", "Sets hash fields and the hash's time to live"},
}
