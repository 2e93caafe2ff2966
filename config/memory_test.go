package config

import (
	"strings"
	"testing"
	"testing/fstest"
)

// system is a tree of files of proc and sys.
func system(files map[string]string) fstest.MapFS {
	root := fstest.MapFS{}
	for name, text := range files {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

func TestMemoryLimitIsTheLowestThatHolds(t *testing.T) {
	const (
		machine = "MemTotal:       8388608 kB\nMemFree: 1 kB\n"
		pods    = "sys/fs/cgroup/kubepods/pod1/"
	)
	for name, c := range map[string]struct {
		files  map[string]string
		bytes  Bytes
		source string
	}{
		"nothing known": {nil, 1 << 30, "an assumption"},
		"no limit":      {map[string]string{"proc/meminfo": machine}, 8 << 30, "/proc/meminfo"},
		"broken files": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "x\n0::\n::\n", "sys/fs/cgroup/memory.max": "much\n",
		}, 8 << 30, "/proc/meminfo"},
		"version 2, in its own namespace": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n",
		}, 512 << 20, "/sys/fs/cgroup/memory.max"},
		"version 2, host's path, own mount": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/kubepods/pod1/c\n", "sys/fs/cgroup/memory.max": "536870912\n",
		}, 512 << 20, "/sys/fs/cgroup/memory.max"},
		"version 2, unlimited": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/kubepods/pod1\n", pods + "memory.max": "max\n",
		}, 8 << 30, "/proc/meminfo"},
		"version 2, limit of the group above": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/kubepods/pod1/c\n",
			pods + "c/memory.max": "max\n", pods + "memory.max": "1073741824\n",
		}, 1 << 30, "/" + pods + "memory.max"},
		"version 2, the lower of two": {map[string]string{
			"proc/self/cgroup":    "0::/kubepods/pod1/c\n",
			pods + "c/memory.max": "1048576\n", pods + "memory.max": "1073741824\n",
		}, 1 << 20, "/" + pods + "c/memory.max"},
		"version 2, path outside the namespace": {map[string]string{
			"proc/self/cgroup": "0::/../../pod2\n", "sys/fs/cgroup/memory.max": "2097152\n",
		}, 2 << 20, "/sys/fs/cgroup/memory.max"},
		"version 1": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "9:name=systemd:/a\n4:cpu,memory:/docker/1\n0::/\n",
			"sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "268435456\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":          "9223372036854771712\n",
		}, 256 << 20, "/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes"},
		"version 1, own mount": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "4:memory:/docker/1\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n",
		}, 256 << 20, "/sys/fs/cgroup/memory/memory.limit_in_bytes"},
		"version 1, unlimited": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "4:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 8 << 30, "/proc/meminfo"},
		"limit above the machine": {map[string]string{
			"proc/meminfo": machine, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "17179869184\n",
		}, 8 << 30, "/proc/meminfo"},
	} {
		t.Run(name, func(t *testing.T) {
			got := memoryLimit(system(c.files))
			if got.Bytes != c.bytes || !strings.HasPrefix(got.Source, c.source) {
				t.Errorf("got %d by %s, want %d by %s", got.Bytes, got.Source, c.bytes, c.source)
			}
		})
	}
}

func TestMemoryLimitOfThisMachineIsKnown(t *testing.T) {
	if got := MemoryLimit(); got.Bytes < 1<<20 || got.Source == "" {
		t.Errorf("got %+v", got)
	}
}

func TestCacheTakesItsShareOfTheMemoryLimitWhenNotTold(t *testing.T) {
	if got := (Cache{MaxBytes: 5}).ResolvedMaxBytes(); got != 5 {
		t.Errorf("told 5 bytes, took %d", got)
	}
	if got, want := (Cache{}).ResolvedMaxBytes(), MemoryLimit().rows(); got != want {
		t.Errorf("took %d, want %d", got, want)
	}
}

// What rows and an empty process take fits into the Go runtime's part of the
// limit, with room for garbage; and that and the binary into the whole.
func TestRowsGetWhatTheMemoryLimitLeaves(t *testing.T) {
	for _, c := range []struct{ limit, heap, rows Bytes }{
		{32 << 20, 16 << 20, 1 << 20},
		{64 << 20, 32 << 20, 3 << 20},
		{128 << 20, 88 << 20, 49 << 20},
		{256 << 20, 216 << 20, 153 << 20},
		{1 << 30, 921 << 20, 614 << 20},
		{64 << 30, 58982 << 20, 39321 << 20},
	} {
		m := Memory{Bytes: c.limit}
		if heap, rows := roundMiB(m.Heap()), roundMiB(m.rows()); heap != c.heap || rows != c.rows {
			t.Errorf("of %s: heap %s, rows %s; want %s, %s", c.limit, heap, rows, c.heap, c.rows)
		}
		if m.rows() > leastRows && m.rows()+m.rows()/5+idleBytes > m.Heap()+1<<20 {
			t.Errorf("of %s: rows of %s leave no room for garbage in a heap of %s", c.limit, m.rows(), m.Heap())
		}
	}
}

func TestMemoryThatCannotSufficeIsWarnedOfWithNumbers(t *testing.T) {
	for _, c := range []struct {
		rows, limit Bytes
		want        []string
	}{
		{0, 1 << 30, nil},
		{0, 256 << 20, nil},
		{500 << 20, 1 << 30, nil},
		{873 << 20, 1 << 30, nil}, // the most that fits
		{874 << 20, 1 << 30, []string{"cache.max_bytes is 874MiB", "about 48MiB", "limit of 1GiB (/limit) are 921MiB", "to 873MiB or less"}},
		{2 << 30, 1 << 30, []string{"cache.max_bytes is 2GiB", "limit only 1GiB (/limit)", "here 614MiB"}},
		{0, 128 << 20, nil},
		{76 << 20, 128 << 20, []string{"cache.max_bytes is 76MiB", "to 67MiB or less"}},
		{0, 50 << 20, []string{"rows get 1MiB (cache.max_bytes is 0)", "raise the limit, to 128MiB"}},
	} {
		cfg := Default()
		cfg.Cache.MaxBytes = c.rows
		got := cfg.MemoryWarnings(Memory{Bytes: c.limit, Source: "/limit"})
		if len(got) != min(1, len(c.want)) {
			t.Errorf("%s of %s: %q", c.rows, c.limit, got)
			continue
		}
		for _, part := range c.want {
			if !strings.Contains(got[0], part) {
				t.Errorf("%s of %s: no %q in %q", c.rows, c.limit, part, got[0])
			}
		}
	}
}
