package rollout

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/fsproxy/fsproxy/config"
)

// journal writes differences as lines of JSON. Who writes to it is a worker, so
// that a slow disk costs comparisons and nothing else.
type journal struct {
	mu  sync.Mutex
	out io.Writer // protected by mu; nil: nowhere
	end func() error
	err error // the first; told once
}

// journalMode keeps the entities in it from other users.
const journalMode = 0o600

func openJournal(where string) (*journal, error) {
	switch where {
	case "":
		return &journal{}, nil
	case config.LogStdout:
		return &journal{out: os.Stdout}, nil
	}
	f, err := os.OpenFile(where, os.O_APPEND|os.O_CREATE|os.O_WRONLY, journalMode)
	if err != nil {
		return nil, fmt.Errorf("open the log of differences (set rollout.log to a file that can be written, to stdout, or to nothing): %w", err)
	}
	return &journal{out: f, end: f.Close}, nil
}

// replace has what other would write to written to from now on, in the place of what
// was before.
func (j *journal) replace(other *journal) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.end != nil {
		_ = j.end()
	}
	j.out, j.end, j.err = other.out, other.end, nil
}

// write appends a line. first tells whether it is the first that failed.
func (j *journal) write(d Difference) (first bool, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.out == nil {
		return false, nil
	}
	line, err := json.Marshal(d)
	if err == nil {
		_, err = j.out.Write(append(line, '\n'))
	}
	first = err != nil && j.err == nil
	j.err = err
	return first, err
}

func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.out = nil
	if j.end != nil {
		_ = j.end()
	}
}
