package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// writeFile puts text into a new file and returns its path.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func flags(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return set
}

func load(t *testing.T, src Sources) *Config {
	t.Helper()
	cfg, err := Load(src)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestFlagGoesBeforeEnvironmentBeforeFileBeforeDefault(t *testing.T) {
	file := writeFile(t, "fsproxy.yaml", "mode: off\nlog: {level: debug, format: json}\nupstream: {addresses: [file:1]}\n")
	environ := []string{"FSPROXY_MODE=dry-run", "FSPROXY_LOG_LEVEL=warn", "FSPROXY_UPSTREAM_ADDRESSES=env:1, env:2", "HOME=/"}
	cfg := load(t, Sources{File: file, Environ: environ, Flags: flags(t, "--mode=live", "--upstream=flag:1,flag:2", "--upstream", "flag:3")})
	for key, want := range map[string]string{
		"mode":               "live (flag --mode)",
		"upstream.addresses": "flag:1,flag:2,flag:3 (flag --upstream)",
		"log.level":          "warn (environment variable FSPROXY_LOG_LEVEL)",
		"log.format":         "json (file " + file + ", line 2)",
		"drain_timeout":      "10s (default)",
	} {
		if got := cfg.text(key) + " (" + cfg.origin(key).String() + ")"; got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

func TestAFlagThatWasNotGivenDoesNotHideOtherSources(t *testing.T) {
	file := writeFile(t, "fsproxy.yaml", "listeners: [{address: 'localhost:7000'}]\nadmin: {address: ''}\n")
	cfg := load(t, Sources{File: file, Environ: []string{"FSPROXY_UPSTREAM_DISCOVERY=rcm"}, Flags: flags(t)})
	if cfg.Listeners[0].Address != "localhost:7000" || cfg.Admin.Address != "" || cfg.Upstream.Discovery != DiscoveryRCM {
		t.Errorf("got %s", cfg)
	}
}

func TestEveryKindOfValueIsReadFromEverySource(t *testing.T) {
	fromFile := load(t, Sources{File: writeFile(t, "fsproxy.yaml", `
listeners:
  - address: 127.0.0.1:7000
  - {address: "unix:///run/fsproxy/fsproxy.sock"}
upstream: {connections: 010, fetch_timeout: 1m, tls: {enabled: true}}
cache: {max_bytes: 2 GiB, max_features: 7}
`)})
	fromEnvironment := load(t, Sources{Environ: []string{
		"FSPROXY_LISTENERS=127.0.0.1:7000,unix:///run/fsproxy/fsproxy.sock", "FSPROXY_UPSTREAM_CONNECTIONS=010",
		"FSPROXY_UPSTREAM_FETCH_TIMEOUT=1m", "FSPROXY_UPSTREAM_TLS_ENABLED=true",
		"FSPROXY_CACHE_MAX_BYTES=2 GiB", "FSPROXY_CACHE_MAX_FEATURES=7",
	}})
	for name, cfg := range map[string]*Config{"file": fromFile, "environment": fromEnvironment} {
		if got := cfg.Listeners; len(got) != 2 || got[0].Address != "127.0.0.1:7000" || got[1].Address != "unix:///run/fsproxy/fsproxy.sock" {
			t.Errorf("%s: listeners %v", name, got)
		}
		if u := cfg.Upstream; u.Connections != 10 || u.FetchTimeout != time.Minute || !u.TLS.Enabled {
			t.Errorf("%s: upstream %+v", name, u)
		}
		if c := cfg.Cache; c.MaxBytes != 2<<30 || c.MaxFeatures != 7 {
			t.Errorf("%s: cache %+v", name, c)
		}
	}
}

func TestServiceLinksOfKubernetesDoNotBreakTheStart(t *testing.T) {
	environ := []string{
		"FSPROXY_SERVICE_HOST=10.0.0.1", "FSPROXY_SERVICE_PORT=6379", "FSPROXY_SERVICE_PORT_REDIS=6379",
		"FSPROXY_PORT=tcp://10.0.0.1:6379", "FSPROXY_PORT_6379_TCP=tcp://10.0.0.1:6379",
		"FSPROXY_PORT_6379_TCP_PROTO=tcp", "FSPROXY_PORT_6379_TCP_PORT=6379", "FSPROXY_PORT_6379_TCP_ADDR=10.0.0.1",
		"FSPROXY_METRICS_SERVICE_HOST=10.0.0.2", "FSPROXY_METRICS_PORT=udp://10.0.0.2:53", "FSPROXY_METRICS_PORT_53_UDP=x",
		"FSPROXY_CONFIG=/ignored/here", "FSPROXYX=1", "OTHER_FSPROXY_MODE=1",
	}
	if got, want := load(t, Sources{Environ: environ}), Default(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %s", got)
	}
	if _, err := Load(Sources{Environ: []string{"FSPROXY_ADMIN_PORT=9190"}}); err == nil {
		t.Error("FSPROXY_ADMIN_PORT=9190 is no service link, and was ignored")
	}
}

func TestEmptyFilesAndSectionsChangeNothing(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "{}", "cache:\nlog:\n"} {
		if cfg := load(t, Sources{File: writeFile(t, "fsproxy.yaml", text)}); !reflect.DeepEqual(cfg, Default()) {
			t.Errorf("%q gives %s", text, cfg)
		}
	}
}

func TestAliasesInAFileAreFollowed(t *testing.T) {
	cfg := load(t, Sources{File: writeFile(t, "fsproxy.yaml", "cache: {max_age: &a 2m, negative_max_age: *a}\n")})
	if cfg.Cache.NegativeMaxAge != 2*time.Minute {
		t.Errorf("got %s", cfg.Cache.NegativeMaxAge)
	}
}

func TestFilesThatAreNoConfigurationAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"a: b: c":                    "yaml",
		"mode: live\n---\nmode: x":   "more than one YAML document",
		"- mode: live":               "the whole file",
		"x":                          "the whole file",
		strings.Repeat("#\n", 1<<20): "more than 1MiB",
		"a: &a [*a]":                 "unknown option",
		"listeners: &l [*l]":         "listeners[0]",
		"*x":                         "x",
		"\xff":                       "yaml",
	} {
		path := writeFile(t, "fsproxy.yaml", text)
		_, err := Load(Sources{File: path})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%.20q: error %v, want one with %q and the path", text, err, want)
		}
	}
	if _, err := Load(Sources{File: "/does/not/exist.yaml"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

func FuzzNoFileMakesLoadPanicAndEveryEffectiveFormLoadsToTheSame(f *testing.F) {
	f.Add("mode: live\ncache: {max_age: 1m, negative_max_age: 1s}\n")
	f.Add("listeners: [{address: 'unix:///a'}, {address: '[::1]:1'}]\nupstream: {addresses: [a:1]}")
	f.Add("a: &a [*a]\nlisteners: *a")
	f.Add("? {a: b}\n: c\n<<: {mode: off}\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "_file") {
			t.Skip("names a file of this machine")
		}
		cfg, err := Load(Sources{File: writeFile(t, "a.yaml", text)})
		if err != nil {
			return
		}
		again, err := Load(Sources{File: writeFile(t, "b.yaml", string(Effective(cfg)))})
		if err != nil {
			t.Fatalf("%s\n%v", Effective(cfg), err)
		}
		cfg.origins, again.origins = nil, nil
		if !reflect.DeepEqual(cfg, again) {
			t.Fatalf("%s\n%s", cfg, again)
		}
	})
}
