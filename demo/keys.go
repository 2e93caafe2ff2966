package demo

import (
	"bufio"
	"io"
	"strings"
	"sync/atomic"
)

// Keys are commands that are typed while the demo runs, a line each: k kills a
// fetcher, r revives the one that was killed last.
type Keys struct {
	in     io.Reader
	fleet  *Fleet
	screen *Screen
	killed atomic.Bool
}

// NewKeys reads commands for fleet from in, and answers on screen.
func NewKeys(in io.Reader, fleet *Fleet, screen *Screen) *Keys {
	return &Keys{in: in, fleet: fleet, screen: screen}
}

// Killed tells whether a fetcher was ever killed: errors may be meant, then.
func (k *Keys) Killed() bool { return k.killed.Load() }

// Run obeys until the input ends.
func (k *Keys) Run() {
	lines := bufio.NewScanner(k.in)
	for lines.Scan() {
		if answer := k.obey(strings.TrimSpace(lines.Text())); answer != "" {
			k.screen.Print(answer + "\n")
		}
	}
}

func (k *Keys) obey(command string) (answer string) {
	switch strings.ToLower(command) {
	case "":
		return ""
	case "k", "kill":
		address := k.fleet.KillNext()
		if address == "" {
			return "no fetcher runs any more: r and Enter revives one"
		}
		k.killed.Store(true)
		return "killed the fetcher " + address
	case "r", "revive":
		switch address, err := k.fleet.ReviveLast(); {
		case err != nil:
			return err.Error()
		case address == "":
			return "all fetchers run: k and Enter kills one"
		default:
			return "revived the fetcher " + address
		}
	}
	return "k and Enter kills a fetcher, r and Enter revives it"
}
