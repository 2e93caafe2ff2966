package proxy

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/resp"
)

// ServeCanned answers every HMGET and HGET on l with reply until ctx ends: the
// connection loop without the cache, for benchmarks that ask what the cache
// costs beyond it.
func ServeCanned(ctx context.Context, l net.Listener, reply []byte) error {
	const enough = 1 << 20 // bytes of a cache that stays empty; features and projections likewise
	clock := cache.NewClock()
	c, err := cache.New(cache.Config{
		MaxBytes: enough, MaxAge: time.Hour, NegativeMaxAge: time.Hour, MaxRowBytes: enough,
		MaxFeatures: enough, MaxProjections: enough, MaxLayouts: enough,
	}, clock)
	if err != nil {
		return err
	}
	defer c.Close()
	// Nothing is ever asked of the store; discovery of a plain server asks nobody.
	up := cluster.NewUpstream(cluster.Config{
		Discovery:      cluster.DiscoveryConfig{Kind: cluster.KindStandalone, Addresses: []string{"127.0.0.1:1"}},
		ConnectTimeout: time.Second, FetchTimeout: time.Second, Connections: 1, RefreshInterval: time.Hour,
		Log: slog.New(slog.DiscardHandler),
	})
	defer up.Close()
	s := New(Config{
		Limits: resp.DefaultLimits, MaxClients: enough, MaxOutputBytes: 64 * enough, MaxInFlight: enough,
		FetchTimeout: time.Second, DrainTimeout: time.Second, Log: slog.New(slog.DiscardHandler),
	}, c, up, clock)
	s.canned = reply
	return s.Serve(ctx, l)
}
