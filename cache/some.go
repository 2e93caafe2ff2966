package cache

// Some are n entities, or all if there are fewer, in no order that has to do with
// how they are used: a fair sample of the rows, for people. No lock is held.
func (c *Cache) Some(n int) [][]byte {
	share := n/len(c.shards) + 1
	var some [][]byte
	for _, shard := range c.shards {
		left := min(share, n-len(some))
		if left == 0 {
			break
		}
		for key := range shard.Keys() {
			some = append(some, []byte(key))
			if left--; left == 0 {
				break
			}
		}
	}
	return some
}
