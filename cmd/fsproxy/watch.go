package main

import (
	"context"
	"crypto/sha256"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// settleFile is how long files must be quiet before they are read: an editor
	// writes in pieces, and a ConfigMap is swapped link by link.
	settleFile = 200 * time.Millisecond
	// lookAnyway is how often files are looked at without being told: some file
	// systems tell nothing, and the system's watches can be used up.
	lookAnyway = 10 * time.Second
)

// watchFiles calls changed whenever the contents of any of files differ from
// those last seen, at first those of the fingerprint seen, until ctx ends, and
// regularly now and then. A file may be a link, to a link, as Kubernetes has them,
// and may be missing for a while.
func watchFiles(ctx context.Context, log *slog.Logger, files func() []string, seen [sha256.Size]byte, changed, regularly func()) {
	var events <-chan fsnotify.Event // nil: nobody tells
	var failures <-chan error
	watch := func([]string) {}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("changes of the configuration are noticed late: the system watches no more files for us", "every", lookAnyway, "error", err)
	} else {
		defer watcher.Close()
		events, failures = watcher.Events, watcher.Errors
		watch = func(files []string) {
			for _, file := range files {
				// The folder: a file that is replaced is another one. Once more does
				// nothing, unless the folder was replaced.
				_ = watcher.Add(filepath.Dir(file))
			}
		}
	}
	watch(files())
	quiet, regular := time.NewTimer(0), time.NewTicker(lookAnyway)
	defer quiet.Stop()
	defer regular.Stop()
	for {
		again := false
		select {
		case <-ctx.Done():
			return
		case <-events:
			quiet.Reset(settleFile)
			continue
		case err := <-failures: // such as events that were lost
			log.Debug("watching the configuration", "error", err)
		case <-regular.C:
			again = true
		case <-quiet.C:
		}
		switch now := fingerprint(files()); {
		case now != seen:
			seen = now
			changed()
			watch(files())
			quiet.Reset(settleFile) // other files may be named now
		case again:
			regularly()
			watch(files())
		}
	}
}

// mostFingerprinted is more than a configuration or a feature catalogue may have,
// in bytes.
const mostFingerprinted = 64 << 20

// fingerprint stands for what is in files. They are small, options and secrets,
// but for a feature catalogue, of which 200,000 features take 20 ms.
func fingerprint(files []string) [sha256.Size]byte {
	hash := sha256.New()
	for _, file := range files {
		// A missing file is one without anything in it.
		of := sha256.New()
		if f, err := os.Open(file); err == nil {
			_, _ = io.Copy(of, io.LimitReader(f, mostFingerprinted))
			_ = f.Close()
		}
		hash.Write(of.Sum(nil))
	}
	return [sha256.Size]byte(hash.Sum(nil))
}
