package main

import (
	"errors"
	"fmt"
	"sync"

	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/proxy"
)

var errNoDryRun = errors.New("mode: dry-run is not available yet; use off or live")

// modeSwitch is the mode in force, which can be changed while clients are
// connected.
type modeSwitch struct {
	proxy *proxy.Server

	mu   sync.Mutex
	mode config.Mode // protected by mu
}

func newModeSwitch(server *proxy.Server, mode config.Mode) *modeSwitch {
	return &modeSwitch{proxy: server, mode: mode}
}

func (m *modeSwitch) get() config.Mode {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mode
}

// set changes the mode. What is held stays, and is invalidated in mode off too.
func (m *modeSwitch) set(mode config.Mode) error {
	switch mode {
	case config.ModeOff, config.ModeLive:
	case config.ModeDryRun:
		return errNoDryRun
	default:
		return fmt.Errorf("mode %q: use off or live", mode)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mode = mode
	m.proxy.SetOff(mode == config.ModeOff)
	return nil
}
