//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// debianPython is the interpreter that sees Debian's python3-redis. Another
// python3 may come first in PATH, and would not.
const debianPython = "/usr/bin/python3"

// needProgram returns the path of the program called name, and fails the test
// when it is not installed.
func needProgram(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing (%v): run `make e2e-setup`", name, err)
	}
	return path
}

// needFile returns path, and fails the test when there is no such file or
// folder. what says what it is for.
func needFile(t testing.TB, path, what string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is missing (%v): run `make e2e-setup`", what, err)
	}
	return path
}

// cached returns the path of a file that `make e2e-setup` downloads, and fails
// the test when it is not there.
func cached(t testing.TB, name, what string) string {
	t.Helper()
	dir := os.Getenv("FSPROXY_E2E_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			t.Fatalf("no cache folder (%v): set FSPROXY_E2E_CACHE and run `make e2e-setup`", err)
		}
		dir = filepath.Join(base, "fsproxy-e2e")
	}
	return needFile(t, filepath.Join(dir, name), what)
}
