package demo

import (
	"context"
	"fmt"
	"log/slog"
	"net"
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
