package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.uber.org/goleak"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/invalidation"
	"github.com/fsproxy/fsproxy/proxy"
	"github.com/fsproxy/fsproxy/resp"
	"github.com/fsproxy/fsproxy/rollout"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a server over a store with one fetcher and a cache with some rows.
type rig struct {
	*Server
	cache *cache.Cache
	log   *lines
	mode  config.Mode
	rules *rollout.Rollout // what changes of rules are made to
}

// lines are a log.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// loadConfig loads a configuration of YAML.
func loadConfig(t *testing.T, yaml string) *config.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fsproxy.yaml")
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

const rigToken = "a token of some length"

// withToken is the YAML that configures rigToken.
func withToken(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(rigToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("admin: {token_file: %q}\n", file)
}

func newRig(t *testing.T, yaml string, change func(*Sources)) *rig {
	t.Helper()
	cfg := loadConfig(t, yaml)
	store := miniredis.RunT(t)
	r := &rig{log: new(lines), mode: cfg.Mode}
	log, clock := slog.New(slog.NewTextHandler(r.log, nil)), cache.NewClock()
	var err error
	r.cache, err = cache.New(cache.Config{
		MaxBytes: 1 << 24, MaxAge: time.Hour, NegativeMaxAge: time.Hour, Shards: 2,
		MaxRowBytes: 1 << 16, MaxFeatures: 1000, MaxProjections: 100, MaxLayouts: 100, NeverCache: []string{"_ts:*"},
	}, clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.cache.Close)
	upstream := cluster.NewUpstream(cluster.Config{
		Discovery: cluster.DiscoveryConfig{Kind: cluster.KindStandalone, Addresses: []string{store.Addr()}, ConnectTimeout: 5 * time.Second},
		Log:       log, ConnectTimeout: 5 * time.Second, FetchTimeout: 5 * time.Second, Connections: 1, RefreshInterval: time.Minute, MaxInFlight: 16,
	})
	t.Cleanup(upstream.Close)
	<-upstream.Looked()
	sources := Sources{
		Cache: r.cache, Upstream: upstream, Clock: clock,
		Proxy:  proxy.New(proxy.Config{Log: log, MaxClients: 10}, r.cache, upstream, clock),
		Config: func() *config.Config { return cfg },
		Mode:   func() config.Mode { return r.mode },
		SetMode: func(mode config.Mode) error {
			if mode != config.ModeOff && mode != config.ModeLive {
				return fmt.Errorf("mode %q: use off or live", mode)
			}
			r.mode = mode
			return nil
		},
		Invalidation: func() []invalidation.Status {
			return []invalidation.Status{{
				Name: "fs:markers", Kind: "markers", State: invalidation.StateTrusted, Since: time.Now(), LastHeard: time.Now(),
				Lag: time.Second, Covers: []string{"*"}, Counts: map[invalidation.What]uint64{invalidation.WhatMarker: 3},
			}}
		},
		Reload: func() api.Reload {
			return api.Reload{Supported: true, OK: true, Changed: []string{"mode"}, Restart: []string{}}
		},
		LastReload: func() api.Reload {
			return api.Reload{Supported: true, OK: true, Changed: []string{}, Restart: []string{}}
		},
	}
	rules, err := rollout.New(rollout.Config{Mode: cfg.Mode, Options: cfg.Rollout, Shadow: upstream})
	if err != nil {
		t.Fatal(err)
	}
	r.rules, sources.EditRules, sources.Compared = rules, rules.Edit, rules
	if change != nil {
		change(&sources)
	}
	r.Server = New(Build{Version: "1.2.3", Commit: "abc", Go: "go1"}, sources, log)
	r.SetReady(true)
	r.fill("st_1", "f1", "f2")
	r.fill("st_2", "f1", "f2", "f3")
	r.fill("\xff\xfe", "f1")
	r.history.add(api.Sample{Time: 1})
	return r
}

// fill puts a value of one byte of each feature into an entity's row.
func (r *rig) fill(entity string, features ...string) {
	fields, wire := make([][]byte, len(features)), ""
	fetched := &cache.Fetched{Began: 1}
	for i, f := range features {
		fields[i] = []byte(f)
		wire += fmt.Sprintf("$%d\r\n%s\r\n", len(f), f)
		fetched.Positions = append(fetched.Positions, int32(i))
		fetched.Frame = append(fetched.Frame, "$1\r\nv\r\n"...)
		fetched.Ends = append(fetched.Ends, len(fetched.Frame))
	}
	fetched.Projection = r.cache.Projection([]byte(wire), fields)
	fetched.Ends = append([]int{0}, fetched.Ends...)
	r.cache.Fill([]byte(entity), fetched, resp.V2)
}

// ask makes a request from this machine, changed by change, and returns the
// answer.
func (r *rig) ask(method, path, body string, change func(*http.Request)) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, path, strings.NewReader(body))
	request.Host, request.RemoteAddr = "127.0.0.1:9190", "127.0.0.1:54321"
	if method != http.MethodGet {
		request.Header.Set("Content-Type", "application/json")
	}
	if change != nil {
		change(request)
	}
	answer := httptest.NewRecorder()
	r.http.Handler.ServeHTTP(answer, request)
	return answer
}

// answer asks and reads the answer, which must be a success.
func (r *rig) answer(t *testing.T, method, path, body string, into any) {
	t.Helper()
	got := r.ask(method, path, body, nil)
	if got.Code != http.StatusOK {
		t.Fatalf("%s %s %s: %d %s", method, path, body, got.Code, got.Body)
	}
	if err := json.Unmarshal(got.Body.Bytes(), into); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
}
