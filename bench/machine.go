package bench

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Machine is what a run's numbers depend on.
type Machine struct {
	CPU      string            `json:"cpu"`
	Cores    int               `json:"cores"` // that this program may use
	Kernel   string            `json:"kernel"`
	Memory   string            `json:"memory"`
	Versions map[string]string `json:"versions"` // by program
}

// versionTimeout bounds asking a program for its version.
const versionTimeout = 5 * time.Second

// describeMachine looks at the machine and the programs on it.
func describeMachine(ctx context.Context, fsproxyVersion string) Machine {
	return Machine{
		CPU:    firstField("/proc/cpuinfo", "model name"),
		Cores:  runtime.NumCPU(),
		Kernel: strings.TrimSpace(runtime.GOOS + "/" + runtime.GOARCH + " " + readFile("/proc/sys/kernel/osrelease")),
		Memory: memory(firstField("/proc/meminfo", "MemTotal")),
		Versions: map[string]string{
			"redis-server": version(ctx, "redis-server", "--version"),
			"twemproxy":    version(ctx, "nutcracker", "-V"),
			"fsproxy":      fsproxyVersion,
			"go":           runtime.Version(),
		},
	}
}

// version is the first line that a program says of itself.
func version(ctx context.Context, program string, args ...string) string {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	path, err := exec.LookPath(program)
	if err != nil {
		return "not installed"
	}
	text, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return "unknown"
	}
	line, _, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	return string(line)
}

// memory rounds what /proc/meminfo says to GiB.
func memory(text string) string {
	kib, err := strconv.ParseFloat(strings.TrimSuffix(text, " kB"), 64)
	if err != nil {
		return text
	}
	return strconv.FormatFloat(kib/(1<<20), 'f', 1, 64) + " GiB"
}

func readFile(path string) string {
	text, _ := os.ReadFile(path)
	return strings.TrimSpace(string(text))
}

// firstField is the first value of a "name: value" file's field; "" where there is
// no such file.
func firstField(path, name string) string {
	for line := range strings.Lines(readFile(path)) {
		key, value, found := strings.Cut(line, ":")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
