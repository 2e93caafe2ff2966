package admin

import (
	"log/slog"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"

	"github.com/fsproxy/fsproxy/cluster"
)

func TestSlotsThatNobodyServesAreCounted(t *testing.T) {
	store := miniredis.RunT(t)
	host, portText, _ := net.SplitHostPort(store.Addr())
	port, _ := strconv.Atoi(portText)
	store.Server().SetPreHook(func(c *server.Peer, name string, args ...string) bool {
		if name != "CLUSTER" {
			return false
		}
		c.WriteLen(1)
		c.WriteLen(3)
		c.WriteInt(0)
		c.WriteInt(16000)
		c.WriteLen(2)
		c.WriteBulk(host)
		c.WriteInt(port)
		return true
	})
	metric := upstreamMetrics[slices.IndexFunc(upstreamMetrics, func(m metric) bool { return m.Name == "fsproxy_topology_uncovered_slots" })]
	for address, want := range map[string][]float64{store.Addr(): {383}, "127.0.0.1:1": nil} {
		u := cluster.NewUpstream(cluster.Config{
			Discovery: cluster.DiscoveryConfig{Addresses: []string{address}, ConnectTimeout: 5 * time.Second},
			Log:       slog.New(slog.DiscardHandler), ConnectTimeout: 5 * time.Second, FetchTimeout: 5 * time.Second, Connections: 1, RefreshInterval: time.Minute,
		})
		t.Cleanup(u.Close)
		<-u.Looked()
		var got []float64
		metric.Read(&scrape{upstream: u}, func(value float64, _ ...string) { got = append(got, value) })
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
}
