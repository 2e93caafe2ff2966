package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestEffectiveConfigurationLoadsToTheSame(t *testing.T) {
	file := writeFile(t, "fsproxy.yaml", `
listeners: [{address: "127.0.0.1:1"}, {address: "unix:///run/a b.sock"}]
mode: off
upstream: {addresses: ["a:1", "[::1]:2"], tls: {enabled: true, server_name: "yes"}, fetch_timeout: 1.5s}
cache: {max_bytes: 2000001, max_age: 90m, write_settle: 0s, max_row_bytes: 3KB}
admin: {address: ""}
`)
	for _, cfg := range []*Config{Default(), load(t, Sources{File: file})} {
		again := load(t, Sources{File: writeFile(t, "effective.yaml", string(Effective(cfg)))})
		want := *cfg
		want.origins, again.origins = nil, nil
		if !reflect.DeepEqual(*again, want) {
			t.Errorf("printed\n%s\nloaded\n%s", cfg, again)
		}
	}
}

func TestEffectiveConfigurationTellsWhereEachValueCameFrom(t *testing.T) {
	file := writeFile(t, "fsproxy.yaml", "log:\n  format: json\n")
	cfg := load(t, Sources{File: file, Environ: []string{"FSPROXY_UPSTREAM_ADDRESSES=a:1,b:1"}, Flags: flags(t, "--listen=127.0.0.1:1")})
	text := string(effective(cfg, Memory{Bytes: 1 << 30, Source: "/limit"}))
	for _, line := range []string{
		"listeners: # flag --listen\n  - address: 127.0.0.1:1\n",
		"  addresses: # environment variable FSPROXY_UPSTREAM_ADDRESSES\n    - a:1\n    - b:1\n",
		"  format: json # file " + file + ", line 2\n",
		"  max_bytes: 0 # 644245080 here, of the 1GiB of /limit\n",
		"mode: live\n",
		"  level: info\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
}

func TestAnEmptyListIsPrintedBesideItsKey(t *testing.T) {
	cfg := load(t, Sources{Environ: []string{"FSPROXY_INVALIDATION_MARKERS=[]", "FSPROXY_CACHE_NEVER_CACHE="}})
	for _, want := range []string{
		"  markers: [] # environment variable FSPROXY_INVALIDATION_MARKERS\n",
		"  never_cache: [] # environment variable FSPROXY_CACHE_NEVER_CACHE\n",
	} {
		if !strings.Contains(cfg.String(), want) {
			t.Errorf("it has no %q:\n%s", want, cfg)
		}
	}
}
