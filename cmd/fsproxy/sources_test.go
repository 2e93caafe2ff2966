package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/invalidation"
)

// startSidecar runs a sidecar in front of store, with more options.
func startSidecar(t *testing.T, store *miniredis.Miniredis, options string) (s *sidecar, client net.Conn) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fsproxy.yaml")
	text := fmt.Sprintf("listeners: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}\nupstream: {addresses: [%q], fetch_timeout: 2s}\n%s", store.Addr(), options)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	s, err = newSidecar(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	client, err = net.Dial("tcp", s.listeners[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s, client
}

// reads is what the proxy answers to a read of f of e.
func reads(t *testing.T, client net.Conn) string {
	t.Helper()
	reply, err := cluster.Ask1(client, "HGET", "e", "f")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(strings.SplitN(string(reply), "\r\n", 2)[1])
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 2000 {
		if ok() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

func TestAMarkerInTheStoreHasTheFeatureFetchedAnew(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("e", "f", "old")
	store.HSet("fs:markers", "other", "1")
	s, client := startSidecar(t, store, "invalidation: {markers: [{key: 'fs:markers', interval: 100ms, settle: 0s}]}")
	if got := reads(t, client); got != "old" {
		t.Fatalf("%q", got)
	}
	store.HSet("e", "f", "new")
	store.HSet("fs:markers", "other", "2")
	time.Sleep(300 * time.Millisecond) // two polls
	if got := reads(t, client); got != "old" {
		t.Fatalf("%q: without a marker of its own it is served from memory", got)
	}
	store.HSet("fs:markers", "f", "2")
	eventually(t, "the new value is served", func() bool { return reads(t, client) == "new" })
	wantMetrics(t, s,
		`fsproxy_source_state{kind="markers",source="fs:markers",state="trusted"} 1`,
		`fsproxy_source_state{kind="markers",source="fs:markers",state="lost"} 0`,
		`fsproxy_source_suspended{kind="markers",source="fs:markers"} 0`,
		`fsproxy_source_gaps_total{kind="markers",source="fs:markers"} 0`,
		`fsproxy_source_last_heard_seconds{kind="markers",source="fs:markers"} `,
		`fsproxy_invalidations_total{kind="markers",source="fs:markers",what="marker"} 2`,
	)
}

// wantMetrics wants lines that begin so.
func wantMetrics(t *testing.T, s *sidecar, want ...string) {
	t.Helper()
	answer, err := http.Get("http://" + s.adminListener.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range want {
		if !strings.Contains(string(text), "\n"+line) {
			t.Errorf("no %s in the metrics", line)
		}
	}
}

func TestWithoutTheMarkersNothingIsServedFromMemory(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("e", "f", "old")
	if err := store.Set("fs:markers", "no hash"); err != nil {
		t.Fatal(err)
	}
	s, client := startSidecar(t, store, "")
	if got := reads(t, client); got != "old" {
		t.Fatalf("%q", got)
	}
	store.HSet("e", "f", "new")
	if got := reads(t, client); got != "new" {
		t.Fatalf("%q, from memory", got)
	}
	if status := s.sources.Statuses()[0]; !status.Suspended || status.State == invalidation.StateTrusted || !strings.Contains(status.Error, "WRONGTYPE") {
		t.Errorf("%+v", status)
	}
}

func TestKafkaIsAssembledFromTheConfiguration(t *testing.T) {
	cfg := config.Default().Invalidation.Kafka
	cfg.Brokers = []string{"b:1"}
	cfg.Topics = []config.Topic{
		{Name: "t", Format: config.FormatRESP, Apply: config.ApplyUpdate, Covers: []string{"rt_*"}, MaxLag: time.Minute, OnLoss: config.OnLossServe, ServeFor: time.Hour, Rewind: time.Second},
	}
	k, err := newKafkaConfig(cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	topic := k.Topics[0]
	if g := topic.Guard; g.Name != "t" || g.Settle != cfg.Settle || g.MaxLag != time.Minute || g.OnLoss != invalidation.Serve || g.ServeFor != time.Hour || !g.Cover.Has("rt_1") || g.Cover.Has("x") {
		t.Errorf("%+v", g)
	}
	if topic.Format != "resp" || !topic.Apply || topic.Rewind != time.Second || k.CheckInterval != cfg.CheckInterval || k.RefreshInterval != cfg.RefreshInterval {
		t.Errorf("%+v", k)
	}
}
