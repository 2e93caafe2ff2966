//go:build unix

package admin

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// usage is the CPU time that the process has spent, and the memory that it
// occupies, in bytes, where /proc tells.
func usage() (cpu time.Duration, resident int64) {
	var spent syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &spent) == nil {
		cpu = time.Duration(spent.Utime.Nano() + spent.Stime.Nano())
	}
	text, err := os.ReadFile("/proc/self/statm")
	if fields := bytes.Fields(text); err == nil && len(fields) > 1 {
		pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
		resident = pages * int64(os.Getpagesize())
	}
	return cpu, resident
}
