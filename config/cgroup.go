package config

import (
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// Memory is how much memory the process may use.
type Memory struct {
	Bytes  Bytes
	Source string // the file that says so
}

const (
	// assumedMemory, in bytes, is taken where the system tells nothing, as
	// anywhere but on Linux: little enough to be there.
	assumedMemory = 1 << 30

	cgroup2Root = "sys/fs/cgroup"
	cgroup1Root = "sys/fs/cgroup/memory"
)

// MemoryLimit is the lowest of what the machine has and what the process's
// control groups, version 1 or 2, and all groups above them allow.
func MemoryLimit() Memory {
	return memoryLimit(os.DirFS("/"))
}

// memoryLimit reads a tree that has proc and sys at its root.
func memoryLimit(root fs.FS) Memory {
	least := machineMemory(root)
	groups := controlGroups(root)
	least = lowestLimit(root, least, cgroup2Root, groups.v2, "memory.max")
	least = lowestLimit(root, least, cgroup1Root, groups.v1, "memory.limit_in_bytes")
	if least.Bytes == math.MaxInt64 {
		return Memory{Bytes: assumedMemory, Source: "an assumption, as the system does not tell"}
	}
	return least
}

// groupPaths are the process's own control groups, from the root of each
// hierarchy; "/" where there is none.
type groupPaths struct{ v1, v2 string }

// controlGroups reads lines such as "0::/kubepods/pod1" (version 2) and
// "4:cpu,memory:/docker/1" (version 1).
func controlGroups(root fs.FS) groupPaths {
	paths := groupPaths{v1: "/", v2: "/"}
	text, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) != 3:
		case parts[0] == "0" && parts[1] == "":
			paths.v2 = path.Clean("/" + parts[2])
		case indexOf(strings.Split(parts[1], ","), "memory") >= 0:
			paths.v1 = path.Clean("/" + parts[2])
		}
	}
	return paths
}

// lowestLimit looks at the group and at each above it, since the limit of any
// of them holds. A container often sees its own group at the root of the mount
// while its path is still the host's: the walk gets there, too.
func lowestLimit(root fs.FS, least Memory, mount, group, file string) Memory {
	for {
		name := path.Join(mount, group, file)
		if n, found := readNumber(root, name); found && n < least.Bytes {
			least = Memory{Bytes: n, Source: "/" + name}
		}
		if group == "/" {
			return least
		}
		group = path.Dir(group)
	}
}

// readNumber takes "max", and what is too large to count, for no limit.
func readNumber(root fs.FS, name string) (Bytes, bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return Bytes(n), err == nil && n > 0
}

// machineMemory has MaxInt64 bytes where /proc/meminfo does not tell.
func machineMemory(root fs.FS) Memory {
	text, _ := fs.ReadFile(root, "proc/meminfo")
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "MemTotal:" {
			continue
		}
		// The unit is always kB, and means 1024 bytes.
		if n, err := strconv.ParseInt(fields[1], 10, 64); err == nil && n > 0 && n < math.MaxInt64>>10 {
			return Memory{Bytes: Bytes(n << 10), Source: "/proc/meminfo"}
		}
	}
	return Memory{Bytes: math.MaxInt64}
}
