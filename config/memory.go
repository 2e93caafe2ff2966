package config

import (
	"fmt"
	"slices"
)

const (
	// heapShare, in percent of the memory limit, is where the garbage collector
	// begins to work harder rather than let the heap grow; the rest is for what it
	// does not count: the binary, the kernel's buffers.
	heapShare = 90

	// binaryBytes is what is left to that at least: the resident pages of the
	// binary, some 25 MiB, and the kernel's. In a small container that is more than
	// its tenth.
	binaryBytes Bytes = 40 << 20

	// cacheShare, in percent, is the most of the memory limit that rows get when
	// max_bytes is 0. The rest is for the garbage that a collection finds, client
	// buffers, and the table of rows itself.
	cacheShare = 60

	// idleBytes is what the heap has besides rows: 11 MiB of an empty process, and
	// the buffers of some hundred clients and of a snapshot.
	idleBytes Bytes = 28 << 20

	// rowsShare, in percent, is the part of the heap's rest that rows get: the
	// sixth that stays is garbage between two collections. With less the collector
	// would work without pause.
	rowsShare = 83

	// leastRows is the least that max_bytes takes.
	leastRows Bytes = 1 << 20
)

// Heap is the Go runtime's part of a memory limit: its own limit (GOMEMLIMIT).
func (m Memory) Heap() Bytes {
	return max(min(m.Bytes/100*heapShare, m.Bytes-binaryBytes), m.Bytes/2)
}

// rows is what is left for rows: of the heap, when the process has had its part,
// and no more than a share of the whole.
func (m Memory) rows() Bytes {
	return max(leastRows, min(m.Bytes/100*cacheShare, (m.Heap()-idleBytes)/100*rowsShare))
}

// ResolvedMaxBytes is MaxBytes, or what [MemoryLimit] leaves for rows where that
// is 0. It reads files in the latter case.
func (c Cache) ResolvedMaxBytes() Bytes {
	if c.MaxBytes > 0 {
		return c.MaxBytes
	}
	return MemoryLimit().rows()
}

// Warnings tells what is allowed and yet likely a mistake here. It is no error
// because a configuration may be checked on another machine than it is for.
func (c *Config) Warnings() []string {
	return slices.Concat(c.clearTextWarnings(), c.catalogueWarnings(), c.rolloutWarnings(), c.MemoryWarnings(MemoryLimit()))
}

const (
	// memoryCeiling, in percent of the limit, is what the process keeps to: past
	// it the garbage collector works without pause, and the kernel is near.
	memoryCeiling = 90

	// processBytes is what the process takes besides rows: an empty one has
	// 11 MiB of its own and 20 of the binary, and some hundred clients' buffers
	// as much again.
	processBytes Bytes = 48 << 20

	// smallContainer is a limit at which the process works well, as e2e measures.
	smallContainer Bytes = 128 << 20
)

// MemoryWarnings holds the memory that rows may take against the limit.
func (c *Config) MemoryWarnings(memory Memory) []string {
	rows, ceiling := c.Cache.MaxBytes, memory.Bytes/100*memoryCeiling
	asked := "cache.max_bytes is " + rows.String()
	if rows == 0 {
		rows = memory.rows()
		asked = fmt.Sprintf("rows get %s (cache.max_bytes is 0)", roundMiB(rows))
	}
	if rows+processBytes <= ceiling {
		return nil
	}
	if rows > memory.Bytes {
		return []string{fmt.Sprintf("%s, and the memory limit only %s (%s): the process may be killed when the cache fills; lower it, or use 0 for what the limit leaves, here %s",
			asked, memory.Bytes, memory.Source, roundMiB(memory.rows()))}
	}
	return []string{fmt.Sprintf("%s, the process itself needs about %s, and %d %% of the memory limit of %s (%s) are %s: it may slow down, or be killed, when the cache fills; %s",
		asked, processBytes, memoryCeiling, memory.Bytes, memory.Source, roundMiB(ceiling), memoryAdvice(ceiling, memory.Bytes))}
}

// memoryAdvice is what would fit: fewer rows, or a higher limit.
func memoryAdvice(ceiling, limit Bytes) string {
	if rows := roundMiB(ceiling - processBytes); rows > 0 {
		return fmt.Sprintf("set cache.max_bytes to %s or less, or raise the limit", rows)
	}
	return fmt.Sprintf("raise the limit, to %s for example, where it is %s", smallContainer, limit)
}

// roundMiB rounds down, so that a person can read it.
func roundMiB(b Bytes) Bytes { return b >> 20 << 20 }
