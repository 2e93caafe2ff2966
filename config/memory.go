package config

import "fmt"

// cacheShare, in percent, is the part of the memory limit that rows get when
// max_bytes is 0. The rest is for the garbage that a collection finds, client
// buffers, and the table of rows itself.
const cacheShare = 60

// ResolvedMaxBytes is MaxBytes, or the share of [MemoryLimit] that 0 stands
// for. It reads files in the latter case.
func (c Cache) ResolvedMaxBytes() Bytes {
	if c.MaxBytes > 0 {
		return c.MaxBytes
	}
	return MemoryLimit().Bytes / 100 * cacheShare
}

// Warnings tells what is allowed and yet likely a mistake here. It is no error
// because a configuration may be checked on another machine than it is for.
func (c *Config) Warnings() []string {
	return append(c.clearTextWarnings(), c.warnings(MemoryLimit())...)
}

func (c *Config) warnings(memory Memory) []string {
	if c.Cache.MaxBytes <= memory.Bytes {
		return nil
	}
	return []string{fmt.Sprintf("cache.max_bytes is %s, and the memory limit only %s (%s): the process may be killed when the cache fills; lower it, or use 0 for %d %% of the limit",
		c.Cache.MaxBytes, memory.Bytes, memory.Source, cacheShare)}
}
