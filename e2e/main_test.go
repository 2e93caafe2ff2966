//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fsproxy-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(dir)

	fsproxyBinary, err = builtBinary(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return m.Run()
}

// builtBinary returns the absolute path of FSPROXY_BIN, or of a binary that it
// builds into dir when that is empty.
func builtBinary(dir string) (string, error) {
	if given := os.Getenv("FSPROXY_BIN"); given != "" {
		path, err := filepath.Abs(given)
		if err != nil {
			return "", fmt.Errorf("FSPROXY_BIN=%s: %w", given, err)
		}
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("FSPROXY_BIN: %w (run `make build`, or unset it)", err)
		}
		return path, nil
	}
	path := filepath.Join(dir, "fsproxy")
	if out, err := exec.Command("go", "build", "-o", path, "../cmd/fsproxy").CombinedOutput(); err != nil {
		return "", fmt.Errorf("building fsproxy: %w\n%s", err, out)
	}
	return path, nil
}
