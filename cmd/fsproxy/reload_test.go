package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/config"
)

// reloading is a reloader of a file, with what it put into force.
type reloading struct {
	*reloader
	t       *testing.T
	file    string
	applied []*config.Config
	wrong   error // of what is prepared
}

func newReloading(t *testing.T, text string) *reloading {
	t.Helper()
	r := &reloading{t: t, file: filepath.Join(t.TempDir(), "fsproxy.yaml")}
	r.write(text)
	load := func() (*config.Config, error) { return config.Load(config.Sources{File: r.file}) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	r.reloader = newReloader(cfg, slog.New(slog.DiscardHandler), func(_, now *config.Config) (func(), error) {
		return func() { r.applied = append(r.applied, now) }, r.wrong
	})
	r.from(r.file, load)
	return r
}

func (r *reloading) write(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// A file that is being written, or was cut off, is empty for a while: its defaults are
// meant by nobody, and "live" is one of them.
func TestAFileThatBecameEmptyIsNotTakenOver(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "{}"} {
		r := newReloading(t, "mode: dry-run\n")
		r.write(text)
		if got := r.reload(); got.OK || !strings.Contains(got.Error, "no option in it any more") || r.config().Mode != config.ModeDryRun {
			t.Errorf("%q: %+v, mode %s", text, got, r.config().Mode)
		}
		r.write("mode: off\n")
		if got := r.reload(); !got.OK || r.config().Mode != config.ModeOff {
			t.Errorf("%q, mended: %+v", text, got)
		}
	}
	r := newReloading(t, "")
	if got := r.reload(); !got.OK {
		t.Errorf("a file that was empty before: %+v", got)
	}
}

func TestAReloadTakesOverWhatMayChangeAndNamesTheRest(t *testing.T) {
	r := newReloading(t, "cache: {write_settle: 1s}\nwarm: {interval: 1h}\n")
	r.write("cache: {write_settle: 2s}\nwarm: {interval: 2h}\nmode: off\n")
	got := r.reload()
	if !got.OK || !slices.Equal(got.Changed, []string{"mode", "cache.write_settle"}) || !slices.Equal(got.Restart, []string{"warm.interval"}) {
		t.Errorf("%+v", got)
	}
	if now := r.config(); now.Cache.WriteSettle != 2*time.Second || now.Warm.Interval != time.Hour || len(r.applied) != 1 || r.applied[0] != now {
		t.Errorf("in force: settle %v, age %v, applied %d times", now.Cache.WriteSettle, now.Warm.Interval, len(r.applied))
	}
	// What needs a restart needs it still after the next reading.
	if got := r.reload(); !slices.Equal(got.Restart, []string{"warm.interval"}) || len(got.Changed) != 0 {
		t.Errorf("read again: %+v", got)
	}
}

func TestABadFileLeavesEverythingAsItWas(t *testing.T) {
	r := newReloading(t, "cache: {write_settle: 1s}\n")
	before := r.config()
	for _, text := range []string{"cache: {write_settle: 2s}\nmode: fast\n", "cache: [\n", "cache: {write_settle: 2s}\nunknown: 1\n", "cache: {write_settle: 2s}\nrollout: {rules: [{name: a, percent: 101}]}\n"} {
		r.write(text)
		if got := r.reload(); got.OK || got.Error == "" {
			t.Errorf("%q was taken over: %+v", text, got)
		}
	}
	if r.config() != before || len(r.applied) != 0 {
		t.Error("something of a bad file is in force")
	}
	r.write("cache: {write_settle: 3s}\n")
	if got := r.reload(); !got.OK || got.Error != "" || got.Count != 5 || got.Failures != 4 {
		t.Errorf("after the file was mended: %+v", got)
	}
}

// ConfigMaps are folders of links: file -> ..data/file, and ..data -> a folder of
// that version, which is swapped by a rename.
func TestTheSwapOfAConfigMapIsNoticed(t *testing.T) {
	folder := t.TempDir()
	version := func(name, text string) {
		t.Helper()
		for _, err := range []error{
			os.Mkdir(filepath.Join(folder, name), 0o700),
			os.WriteFile(filepath.Join(folder, name, "fsproxy.yaml"), []byte(text), 0o600),
			os.Symlink(name, filepath.Join(folder, "..data_tmp")),
			os.Rename(filepath.Join(folder, "..data_tmp"), filepath.Join(folder, "..data")),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	version("..1", "a: 1\n")
	file := filepath.Join(folder, "fsproxy.yaml")
	if err := os.Symlink("..data/fsproxy.yaml", file); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	files := []string{file}
	seen := fingerprint(files)
	changed, ended := make(chan struct{}, 10), make(chan struct{})
	go func() {
		defer close(ended)
		watchFiles(ctx, slog.New(slog.DiscardHandler), func() []string { return files }, seen, func() { changed <- struct{}{} }, func() {})
	}()
	for _, name := range []string{"..2", "..3"} {
		version(name, "a: "+name+"\n")
		select {
		case <-changed:
		case <-time.After(2 * lookAnyway):
			t.Fatalf("the swap to %s was not noticed", name)
		}
	}
	cancel()
	<-ended
	before := fingerprint(files)
	version("..4", "a: ..3\n")
	if fingerprint(files) != before {
		t.Error("other links to the same contents are a change")
	}
}

// A whole sidecar takes a changed file over while a client stays connected.
func TestASidecarReloadsWithoutDroppingAConnection(t *testing.T) {
	file := filepath.Join(t.TempDir(), "fsproxy.yaml")
	write := func(mode string) {
		t.Helper()
		text := "listeners: [{address: \"127.0.0.1:0\"}]\nadmin: {address: \"127.0.0.1:0\"}\nupstream: {addresses: [\"127.0.0.1:1\"], connect_timeout: 1s}\nmode: " + mode + "\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("live")
	load := func() (*config.Config, error) { return config.Load(config.Sources{File: file}) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSidecar(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.reload.from(file, load)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	nc, err := net.Dial("tcp", s.listeners[0].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	ping := func() string {
		answer := make([]byte, 64)
		_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
		_, err := nc.Write([]byte("PING\r\n"))
		n, readErr := nc.Read(answer)
		if err = errors.Join(err, readErr); err != nil {
			return err.Error()
		}
		return strings.TrimSpace(string(answer[:n]))
	}
	if got := ping(); got != "+PONG" {
		t.Fatal(got)
	}
	write("off")
	if got := s.reload.reload(); !got.OK || s.rollout.Mode() != config.ModeOff {
		t.Errorf("%+v, mode %s", got, s.rollout.Mode())
	}
	// What somebody has set stays where the file has not changed.
	if err := s.rollout.SetMode(config.ModeLive); err != nil {
		t.Fatal(err)
	}
	if got := s.reload.reload(); !got.OK || s.rollout.Mode() != config.ModeLive {
		t.Errorf("%+v, mode %s", got, s.rollout.Mode())
	}
	if got := ping(); got != "+PONG" {
		t.Errorf("after the reload: %s", got)
	}
}
