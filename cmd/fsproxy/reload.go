package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/config"
)

// reloader takes the configuration over from its file anew while the process
// runs: all of what can change at run time, or, if anything in the file is wrong,
// nothing.
type reloader struct {
	log  *slog.Logger
	path string                         // of the file; "": none
	load func() (*config.Config, error) // nil: there is nothing to read; set before watch
	// prepare makes what a configuration needs; apply puts it into force and cannot fail.
	prepare func(loaded, now *config.Config) (apply func(), err error)

	inForce atomic.Pointer[config.Config]

	mu     sync.Mutex // held while reloading; protects what follows
	loaded *config.Config
	last   api.Reload
	seen   [sha256.Size]byte // for watch: what was in the files
}

func newReloader(cfg *config.Config, log *slog.Logger, prepare func(loaded, now *config.Config) (func(), error)) *reloader {
	r := &reloader{log: log, prepare: prepare, loaded: cfg, last: api.Reload{OK: true, Changed: []string{}, Restart: []string{}}}
	r.inForce.Store(cfg)
	return r
}

// from says which file the configuration is loaded from ("": none, but other files
// are named, such as certificates), and how.
func (r *reloader) from(path string, load func() (*config.Config, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.path, r.load, r.last.Supported = path, load, true
	seen := fingerprint(filesOf(path, r.loaded))
	// Seen is what is in force, unless a file has changed since it was loaded.
	if now, err := load(); err == nil {
		if changed, restart := config.Changes(r.loaded, now); len(changed)+len(restart) == 0 {
			r.seen = seen
		}
	}
}

// filesOf are the files in which a configuration is.
func filesOf(path string, cfg *config.Config) []string {
	files := cfg.Files()
	if path != "" {
		files = append([]string{path}, files...)
	}
	return files
}

// files are those of which a change may be one of the configuration.
func (r *reloader) files() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return filesOf(r.path, r.loaded)
}

// watch reloads when one of the files changes, until ctx ends, and looks now and
// then whether what was wrong was mended elsewhere: in a file that did not exist.
func (r *reloader) watch(ctx context.Context) {
	if r.load == nil {
		return
	}
	watchFiles(ctx, r.log, r.files, r.seen, func() { r.reload() }, r.retry)
}

// config is the configuration in force: as it was at the start, but for what was
// taken over since.
func (r *reloader) config() *config.Config { return r.inForce.Load() }

// outcome is how the last reading went.
func (r *reloader) outcome() api.Reload {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// reload reads the file and takes over what may be.
func (r *reloader) reload() api.Reload {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.load != nil {
		r.attempt(false)
	}
	return r.last
}

// retry is reload where the last one failed. If it fails for the same reason, that
// was said and counted.
func (r *reloader) retry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last.OK {
		r.attempt(true)
	}
}

// attempt is called under mu.
func (r *reloader) attempt(again bool) {
	before := r.inForce.Load()
	var now *config.Config
	var apply func()
	later, err := r.load()
	if err == nil && r.path != "" && later.FileSaysNothing() && !r.loaded.FileSaysNothing() {
		err = fmt.Errorf("%s has no option in it any more: it may have been cut off; restart if the defaults are meant", r.path)
	}
	if err == nil {
		now = before.TakeOver(later)
		apply, err = r.prepare(r.loaded, now)
	}
	if err != nil {
		r.failed(err, again)
		return
	}
	changed, restart := config.Changes(before, later) // first: apply changes the catalogue that they share
	r.tell(before, now, changed, restart)             // ahead of a level of the log that would not say it
	// In this order: a snapshot that says now and holds what was before is voided at
	// the end of apply.
	r.inForce.Store(now)
	apply()
	r.loaded = later
	r.last.Count++
	r.last.OK, r.last.Error = true, ""
	r.last.Changed, r.last.Restart = append([]string{}, changed...), append([]string{}, restart...)
}

// tell logs what is taken over: a line where something is otherwise than it was.
func (r *reloader) tell(before, now *config.Config, changed, restart []string) {
	level := slog.LevelInfo
	if r.last.OK && len(changed) == 0 && slices.Equal(restart, r.last.Restart) {
		level = slog.LevelDebug
	}
	r.log.Log(context.Background(), level, "read the configuration again", "changed", changed, "need_a_restart", restart)
	said := before.Warnings()
	for _, warning := range now.Warnings() {
		if !slices.Contains(said, warning) {
			r.log.Warn(warning)
		}
	}
}

func (r *reloader) failed(err error, again bool) {
	if again && err.Error() == r.last.Error {
		return
	}
	r.last.Count++
	r.last.Failures++
	r.last.OK, r.last.Error, r.last.Changed = false, err.Error(), []string{}
	r.log.Error("the configuration was not taken over: the old one stays in force", "error", err)
}
