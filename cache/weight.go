package cache

// entryOverhead is what otter spends on an entry beside its key and value, in
// bytes: its node, the pointer to it in the hash table, and the policy's share;
// 82 to 98 were measured with a bound by weight. TestWeightsMatchTheHeap holds
// it to the heap.
const entryOverhead = 98

// Go's allocator rounds an object up to a size class; these tables give the
// class of sizes up to 1 KiB in steps of 8 and up to 32 KiB in steps of 128.
// Larger objects take whole pages.
var (
	smallClasses [1024/8 + 1]uint32
	largeClasses [32768/128 + 1]uint32
)

func init() {
	for i := range smallClasses {
		smallClasses[i] = classOf(i * 8)
	}
	for i := range largeClasses {
		largeClasses[i] = classOf(i * 128)
	}
}

// classOf asks the allocator itself: append returns what it really got.
func classOf(n int) uint32 {
	if n == 0 {
		return 0
	}
	return uint32(cap(append([]byte(nil), make([]byte, n)...)))
}

// allocated is how many bytes an object of n bytes takes.
func allocated(n int) uint32 {
	const page = 8192
	switch {
	case n <= 1024:
		return smallClasses[(n+7)/8]
	case n <= 32768:
		return largeClasses[(n+127)/128]
	}
	return uint32((n + page - 1) / page * page)
}

// weigh is what an entry costs in bytes, all overhead included.
func weigh(entity string, r row) uint32 {
	return entryOverhead + allocated(len(entity)) + allocated(len(r))
}
