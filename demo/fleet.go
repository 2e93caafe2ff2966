package demo

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"

	"github.com/alicebob/miniredis/v2"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/cluster/rcm"
)

// anyPort of this machine alone.
const anyPort = "127.0.0.1:0"

// Fleet is a store without gossip: plain servers, each of which holds one shard
// and knows nothing of the others, and the RCM that tells clients about them.
// Its methods may be called from any goroutine.
type Fleet struct {
	topology *cluster.Topology
	shards   [][]*miniredis.Miniredis // as in topology

	manager net.Listener
	stop    context.CancelFunc
	wg      sync.WaitGroup // of the RCM

	mu     sync.Mutex             // protects what follows
	killed []*miniredis.Miniredis // in order
}

// NewFleet starts empty fetchers, as many nodes for each of the shards, and
// their RCM. Close must be called.
func NewFleet(shards, nodes int, log *slog.Logger) (*Fleet, error) {
	f := new(Fleet)
	if err := f.start(shards, nodes, log); err != nil {
		f.Close()
		return nil, fmt.Errorf("starting a fleet of %d fetchers and their RCM on free ports of 127.0.0.1: %w", shards*nodes, err)
	}
	return f, nil
}

func (f *Fleet) start(shards, nodes int, log *slog.Logger) (err error) {
	var assignments []cluster.Assignment
	for i := range shards {
		a := cluster.Assignment{Slots: []cluster.SlotRange{{
			First: uint16(i * cluster.Slots / shards), Last: uint16((i+1)*cluster.Slots/shards - 1),
		}}}
		f.shards = append(f.shards, nil)
		for range nodes {
			fetcher, err := miniredis.Run()
			if err != nil {
				return err
			}
			f.shards[i] = append(f.shards[i], fetcher)
			a.Nodes = append(a.Nodes, fetcher.Addr())
		}
		assignments = append(assignments, a)
	}
	if f.topology, err = cluster.NewTopology(cluster.RCM, "", assignments); err != nil {
		return err
	}
	if f.manager, err = net.Listen("tcp", anyPort); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	server := rcm.New(rcm.Config{Topology: f.topology, Logger: log})
	f.wg.Go(func() {
		if err := server.Serve(ctx, f.manager); err != nil {
			log.Error("the RCM has ended; the proxy goes on with the topology that it knows", "error", err)
		}
	})
	return nil
}

// Close ends the servers.
func (f *Fleet) Close() {
	if f.stop != nil {
		f.stop()
	}
	for _, shard := range f.shards {
		for _, fetcher := range shard {
			fetcher.Close()
		}
	}
	f.wg.Wait()
}

// writeFirst is Write on the first node of the shard alone.
func (f *Fleet) writeFirst(entity string, pairs ...string) {
	shard, _ := f.topology.ShardOf(cluster.Slot([]byte(entity)))
	f.shards[shard][0].HSet(entity, pairs...)
}

// has tells whether the fleet has a field of an entity.
func (f *Fleet) has(entity, field string) bool {
	shard, _ := f.topology.ShardOf(cluster.Slot([]byte(entity)))
	return f.shards[shard][0].HGet(entity, field) != ""
}

// KillNext stops a fetcher, as if its machine was gone: first one of each shard,
// then the others. It tells which; "": none runs any more. What is written
// meanwhile is there when it is revived: a node loads what it missed before it
// answers.
func (f *Fleet) KillNext() (address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for node := range f.shards[0] {
		for _, shard := range f.shards {
			if fetcher := shard[node]; !slices.Contains(f.killed, fetcher) {
				address = fetcher.Addr()
				fetcher.Close()
				f.killed = append(f.killed, fetcher)
				return address
			}
		}
	}
	return ""
}

// ReviveLast starts the fetcher that was killed last again, at its old address.
// It tells which; "": all run.
func (f *Fleet) ReviveLast() (address string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.killed) == 0 {
		return "", nil
	}
	fetcher := f.killed[len(f.killed)-1]
	if err := fetcher.Restart(); err != nil {
		return "", fmt.Errorf("start a fetcher again: %w", err)
	}
	f.killed = f.killed[:len(f.killed)-1]
	return fetcher.Addr(), nil
}

// Up is how many fetchers run, of how many.
func (f *Fleet) Up() (up, all int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all = len(f.topology.Nodes())
	return all - len(f.killed), all
}

// RCM is the address at which clients are told the topology.
func (f *Fleet) RCM() string { return f.manager.Addr().String() }

// Topology is what the RCM tells.
func (f *Fleet) Topology() *cluster.Topology { return f.topology }

// Write sets features of an entity, fields and values in turn, on the fetchers
// of its shard: one after the other, so that for a moment they disagree, as
// those of a real fleet do.
func (f *Fleet) Write(entity string, pairs ...string) {
	if len(pairs) == 0 {
		return
	}
	shard, _ := f.topology.ShardOf(cluster.Slot([]byte(entity))) // every slot is owned
	for _, fetcher := range f.shards[shard] {
		fetcher.HSet(entity, pairs...)
	}
}
