package snapshot

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// bootID names this start of this machine, and the namespace that its clock is
// read in: another may have another offset.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil || sinceBoot() == 0 {
		return ""
	}
	namespace, err := os.Readlink("/proc/self/ns/time")
	if err != nil {
		namespace = "" // a kernel before 5.6 has none
	}
	return strings.TrimSpace(string(id)) + " " + namespace
}

// sinceBoot is the time since the machine's start in nanoseconds, sleep included;
// 0: it cannot be told.
func sinceBoot() int64 {
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return 0
	}
	return now.Nano()
}
