package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// open starts a scenario's servers, loads the stores, and connects to them and to
// the targets. The function that it returns undoes what the fleet's close does
// not; it is never nil.
func (b *run) open(ctx context.Context, fleet *fleet, s Scenario, data *dataset) (sessions []*session, unload func(), err error) {
	unload = func() {}
	if s.Shape.Delay > 0 && len(b.Targets) > 0 {
		return nil, unload, errors.New("a delay can be put in front of a store that this program starts, not of a target")
	}
	if sessions, err = b.startServers(ctx, fleet, s, data); err != nil {
		return sessions, unload, err
	}
	for i, target := range b.Targets {
		name, address, named := strings.Cut(target, "=")
		if !named {
			name, address = target, target
		}
		session := &session{name: name, address: address, data: data, seed: b.Seed, strictest: checkFrames, caches: true}
		if b.Load {
			session.strictest = checkValues
		}
		sessions = append(sessions, session)
		if b.Load && i == 0 {
			// Also what is half loaded is deleted, and also after an interrupt.
			unload = func() {
				if err := stock(context.WithoutCancel(ctx), address, data, data.appendDelete); err != nil {
					fmt.Fprintf(b.Progress, "  deleting the entities from %s: %v\n", name, err)
				}
			}
			if err := stock(ctx, address, data, data.appendStore); err != nil {
				return sessions, unload, fmt.Errorf("loading %s: %w", name, err)
			}
		}
	}
	if len(sessions) == 0 {
		return nil, unload, errors.New("none of its servers was chosen")
	}
	for _, session := range sessions {
		if err := session.connect(ctx, s.Shape.Connections); err != nil {
			return sessions, unload, err
		}
	}
	return sessions, unload, nil
}

// startServers starts those of a scenario's servers that are chosen. One that is
// not installed is left out with a note, but for the stores.
func (b *run) startServers(ctx context.Context, fleet *fleet, s Scenario, data *dataset) ([]*session, error) {
	wanted := b.servers(s)
	var store *process
	var sessions []*session
	for _, name := range serverNames {
		isStore := name == redisListpack
		behind := isStore && (slices.Contains(wanted, twemproxy) || slices.Contains(wanted, fsproxy))
		if !slices.Contains(wanted, name) && !behind {
			continue
		}
		p, err := b.startServer(ctx, fleet, name, store, s, data)
		if errors.Is(err, errMissing) && name == twemproxy {
			b.report.note("%v", err)
			continue
		}
		if err != nil {
			return nil, err
		}
		if isStore {
			store = p
		}
		if !slices.Contains(wanted, name) {
			continue
		}
		session := &session{name: name, address: p.address, process: p, data: data, seed: b.Seed, strictest: checkValues}
		switch name {
		case twemproxy, fsproxy:
			session.store, session.caches = store, name == fsproxy
		case canned:
			session.strictest = checkFrames
		}
		sessions = append(sessions, session)
	}
	return sessions, nil
}

// startServer starts one server and, if it is a store, loads it.
func (b *run) startServer(ctx context.Context, fleet *fleet, name string, store *process, s Scenario, data *dataset) (*process, error) {
	switch name {
	case redisListpack, redisHashtable:
		return b.startStore(ctx, fleet, name, data)
	case twemproxy:
		return fleet.startTwemproxy(ctx, store.address)
	case canned:
		return fleet.startCanned(ctx, s.Shape)
	default:
		upstream, err := fleet.startRelay(ctx, store.address, s.Shape)
		if err != nil {
			return nil, err
		}
		return fleet.startProxy(ctx, upstream, false)
	}
}

// startStore starts a store and loads it.
func (b *run) startStore(ctx context.Context, fleet *fleet, name string, data *dataset) (*process, error) {
	p, err := fleet.startRedis(ctx, name)
	if err != nil {
		return nil, err
	}
	if err := stock(ctx, p.address, data, data.appendStore); err != nil {
		return nil, fmt.Errorf("loading %s: %w", name, err)
	}
	return p, nil
}

const (
	stockConnections = 2  // so that one is rendered while the other is stored
	stockPipeline    = 64 // commands
)

// stock sends one command for each entity of the data.
func stock(ctx context.Context, address string, data *dataset, render func([]byte, int32) []byte) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group errgroup.Group
	for i := range stockConnections {
		group.Go(func() error {
			c, err := dial(ctx, address)
			if err != nil {
				return err
			}
			defer c.close()
			for entity := i; entity < data.entities; {
				commands := 0
				for ; commands < stockPipeline && entity < data.entities; commands++ {
					c.out = render(c.out, int32(entity))
					entity += stockConnections
				}
				if err := c.storeBatch(commands); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// storeBatch sends what is in out and expects an integer for each command.
func (c *client) storeBatch(commands int) error {
	if err := c.flush(); err != nil {
		return err
	}
	for range commands {
		frame, err := c.reply()
		if err != nil {
			return err
		}
		if frame[0] != ':' {
			return fmt.Errorf("the store answered %.200q", frame)
		}
	}
	return nil
}
