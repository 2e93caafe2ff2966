package bench

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cpuSource tells the reader where server CPU comes from.
const cpuSource = "CPU clock of the process (clock_gettime of its pid: user and system time of all its threads, in ns)"

// processCPU is the CPU time that a process has used so far, user and system,
// threads that have ended included. The process's CPU clock counts nanoseconds;
// /proc/PID/stat has only ticks of 10 ms, and /proc/PID/task/*/schedstat forgets
// threads that ended. What a thread that is running just now has used since the
// kernel's last tick, 1 to 10 ms ago, may be missing.
func processCPU(pid int) (time.Duration, error) {
	// The kernel's encoding of another process's CPUCLOCK_SCHED, as
	// clock_getcpuclockid(3) makes it.
	clock := int32(^pid)<<3 | 2
	var now unix.Timespec
	if err := unix.ClockGettime(clock, &now); err != nil {
		return 0, os.NewSyscallError("clock_gettime", err)
	}
	return time.Duration(now.Nano()), nil
}

// machineCPU is the CPU time that the whole machine has used so far, what other
// machines took from it included; 0 if it cannot be told.
func machineCPU() time.Duration {
	const tick = 10 * time.Millisecond // USER_HZ is 100 wherever Go runs
	// user, nice, system, idle, iowait, irq, softirq, steal
	var total time.Duration
	fields := strings.Fields(readFile("/proc/stat"))
	for i, field := range fields[:min(len(fields), 9)] {
		if i == 0 || i == 4 || i == 5 {
			continue // the line's name, idle and waiting time
		}
		ticks, _ := strconv.ParseInt(field, 10, 64)
		total += time.Duration(ticks) * tick
	}
	return total
}

// lockPreciseThread gives the calling goroutine a thread of its own, whose sleeps
// the kernel does not round: by default it ends them up to 50 µs late in order to
// wake less often. The function that it returns gives the thread back.
func lockPreciseThread() (unlock func()) {
	const slack, usual = 1, 50_000 // ns
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, slack, 0, 0, 0)
	return func() {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, usual, 0, 0, 0)
		runtime.UnlockOSThread()
	}
}

// sleepPrecisely sleeps on the calling thread, to some µs; callers loop, because
// the runtime's preemption signals interrupt a sleep.
func sleepPrecisely(d time.Duration) {
	request := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&request, nil)
}

// childAttributes puts a child into a process group of its own, so that Ctrl-C
// reaches this program alone, which then ends its children in order; and lets the
// kernel end the child should this program be killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
