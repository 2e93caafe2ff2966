//go:build !linux

package bench

import (
	"errors"
	"syscall"
	"time"
)

// cpuSource tells the reader where server CPU comes from.
const cpuSource = "not available on this system"

// processCPU is the CPU time that a process has used so far.
func processCPU(int) (time.Duration, error) {
	return 0, errors.New("the CPU of another process can be read on Linux only")
}

// machineCPU is the CPU time that the whole machine has used so far.
func machineCPU() time.Duration { return 0 }

// lockPreciseThread has nothing to prepare.
func lockPreciseThread() (unlock func()) { return func() {} }

// sleepPrecisely sleeps as well as the runtime can.
func sleepPrecisely(d time.Duration) { time.Sleep(d) }

// childAttributes has nothing to ask for.
func childAttributes() *syscall.SysProcAttr { return nil }
