package config

import (
	"fmt"
	"slices"
)

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
	return slices.Concat(c.clearTextWarnings(), c.catalogueWarnings(), c.rolloutWarnings(), c.warnings(MemoryLimit()))
}

const (
	// memoryCeiling, in percent of the limit, is what the process keeps to: past
	// it the garbage collector works without pause, and the kernel is near.
	memoryCeiling = 90

	// processBytes is what the process takes besides rows: an empty one has
	// 11 MiB of its own and 20 of the binary, and some hundred clients' buffers
	// as much again.
	processBytes Bytes = 48 << 20
)

// warnings holds the memory that rows may take against the limit.
func (c *Config) warnings(memory Memory) []string {
	rows, ceiling := c.Cache.MaxBytes, memory.Bytes/100*memoryCeiling
	asked := "cache.max_bytes is " + rows.String()
	if rows == 0 {
		rows = memory.Bytes / 100 * cacheShare
		asked = fmt.Sprintf("rows get %s (cache.max_bytes is 0: %d %%)", roundMiB(rows), cacheShare)
	}
	if rows+processBytes <= ceiling {
		return nil
	}
	if rows > memory.Bytes {
		return []string{fmt.Sprintf("%s, and the memory limit only %s (%s): the process may be killed when the cache fills; lower it, or use 0 for %d %% of the limit",
			asked, memory.Bytes, memory.Source, cacheShare)}
	}
	return []string{fmt.Sprintf("%s, the process itself needs about %s, and %d %% of the memory limit of %s (%s) are %s: it may slow down, or be killed, when the cache fills; %s",
		asked, processBytes, memoryCeiling, memory.Bytes, memory.Source, roundMiB(ceiling), memoryAdvice(ceiling, memory.Bytes))}
}

// memoryAdvice is what would fit: fewer rows, or a higher limit.
func memoryAdvice(ceiling, limit Bytes) string {
	need := roundMiB(processBytes*100/(memoryCeiling-cacheShare) + 1<<20)
	if rows := roundMiB(ceiling - processBytes); rows > 0 {
		return fmt.Sprintf("set cache.max_bytes to %s or less, or raise the limit", rows)
	}
	return fmt.Sprintf("raise the limit, to %s for example, where it is %s", need, limit)
}

// roundMiB rounds down, so that a person can read it.
func roundMiB(b Bytes) Bytes { return b >> 20 << 20 }
