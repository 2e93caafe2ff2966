package rcm

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
)

// WatchInterval is how often a topology file is looked at by default. It is
// read whole rather than waited for: that works for a ConfigMap, which changes
// by the swap of a symlink two folders up, and on file systems that tell
// nothing, and costs a read of a few kilobytes.
const WatchInterval = 2 * time.Second

// Watch reads file every interval until ctx ends, and calls install with the
// topology whenever the content has changed, the first time included. A file
// that cannot be read or is wrong is reported once and changes nothing.
func Watch(ctx context.Context, file string, interval time.Duration, logger *slog.Logger, install func(*cluster.Topology)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var content []byte
	var trouble string
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		read, err := readFile(file)
		if err == nil {
			if content != nil && bytes.Equal(read, content) {
				continue
			}
			var topology *cluster.Topology
			if topology, err = parse(file, read); err == nil {
				install(topology)
				content, trouble = read, ""
				continue
			}
		}
		if err.Error() != trouble {
			trouble = err.Error()
			logger.Error("the new topology is not used; the last good one stays in force", "error", err)
		}
	}
}
