package main

import (
	"context"
	"crypto/sha256"
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
	log   *slog.Logger
	load  func() (*config.Config, error) // nil: there is no file; set before watch
	apply func(before, now *config.Config)

	inForce atomic.Pointer[config.Config]

	mu     sync.Mutex // held while reloading; protects what follows
	loaded *config.Config
	last   api.Reload
	files  []string          // for watch: the file, that of the token, and the feature catalogue
	seen   [sha256.Size]byte // what was in them
}

func newReloader(cfg *config.Config, log *slog.Logger, apply func(before, now *config.Config)) *reloader {
	r := &reloader{log: log, apply: apply, loaded: cfg, last: api.Reload{OK: true, Changed: []string{}, Restart: []string{}}}
	r.inForce.Store(cfg)
	return r
}

// from says which file the configuration is loaded from ("": none, but there is a
// feature catalogue), and how.
func (r *reloader) from(path string, load func() (*config.Config, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.load, r.last.Supported = load, true
	r.files = nil
	for _, file := range []string{path, r.config().Admin.TokenFile, r.config().FeaturesFile} {
		if file != "" {
			r.files = append(r.files, file)
		}
	}
	seen := fingerprint(r.files)
	// Seen is what is in force, unless the file has changed since it was loaded.
	if now, err := load(); err == nil {
		if changed, restart := config.Changes(r.loaded, now); len(changed)+len(restart) == 0 {
			r.seen = seen
		}
	}
}

// watch reloads when one of the files changes, until ctx ends.
func (r *reloader) watch(ctx context.Context) {
	if r.load == nil {
		return
	}
	watchFiles(ctx, r.log, r.files, r.seen, func() { r.reload() })
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

// featuresFile is the option of which a reload takes over what is in the file.
const featuresFile = "features_file"

// reload reads the file and takes over what may be.
func (r *reloader) reload() api.Reload {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.load == nil {
		return r.last
	}
	r.last.Count++
	later, err := r.load()
	if err != nil {
		r.last.OK, r.last.Error, r.last.Changed = false, err.Error(), []string{}
		r.last.Failures++
		r.log.Error("the configuration was not taken over: the old one stays in force", "error", err)
		return r.last
	}
	before := r.inForce.Load()
	now := before.TakeOver(later)
	// What the file says new, not what it says otherwise than the API did since.
	changed, _ := config.Changes(r.loaded, later)
	differs, restart := config.Changes(before, later)
	if !slices.Contains(changed, featuresFile) && slices.Contains(differs, featuresFile) {
		changed = append(changed, featuresFile) // the file said what needs a restart meanwhile
	}
	r.inForce.Store(now)
	r.apply(r.loaded, now)
	r.loaded = later
	r.last.OK, r.last.Error = true, ""
	r.last.Changed, r.last.Restart = append([]string{}, changed...), append([]string{}, restart...)
	r.log.Info("read the configuration again", "changed", r.last.Changed, "need_a_restart", r.last.Restart)
	return r.last
}
