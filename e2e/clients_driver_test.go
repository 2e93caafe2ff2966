//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// driverTime bounds one run of a driver, so that a client that waits for ever
// fails its test. Virtual machines start slowly on a busy machine.
const driverTime = 90 * time.Second

// driver is a program of clients/ that is ready to run.
type driver struct {
	command     []string
	environment []string // further, as NAME=value
}

// driverFor finds the driver of a language, with what it needs.
type driverFor func(t testing.TB) driver

func debianPythonDriver(t testing.TB) driver {
	// -I, so that no other redis on PYTHONPATH is taken for Debian's.
	return driver{command: []string{needFile(t, debianPython, "Debian's python3"), "-I", "clients/python/drive.py"}}
}

func currentPythonDriver(t testing.TB) driver {
	library := cached(t, "python", "the current redis-py")
	return driver{
		command:     []string{needFile(t, debianPython, "Debian's python3"), "clients/python/drive.py"},
		environment: []string{"PYTHONPATH=" + library, "PYTHONDONTWRITEBYTECODE=1"},
	}
}

func nodeDriver(t testing.TB) driver {
	for _, library := range []string{"ioredis", "redis", "@valkey/valkey-glide"} {
		needFile(t, "clients/node/node_modules/"+library, "Node's "+library)
	}
	return driver{command: []string{needProgram(t, "node"), "clients/node/drive.mjs"}}
}

func javaDriver(t testing.TB) driver {
	build := built(t, "java")
	return driver{command: []string{
		needProgram(t, "java"),
		// Start fast: no run is long enough to gain from more.
		"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-Xmx256m",
		"-cp", filepath.Join(build, "classes") + ":" + filepath.Join(build, "lib", "*"), "Drive",
	}}
}

// compiledDriver returns the driver of a language that is compiled to one
// program.
func compiledDriver(language string) driverFor {
	return func(t testing.TB) driver {
		return driver{command: []string{needFile(t, filepath.Join(built(t, language), "drive"), "the driver in "+language)}}
	}
}

// scriptDriver returns the driver that an interpreter of Debian's runs.
func scriptDriver(interpreter, script string) driverFor {
	return func(t testing.TB) driver {
		return driver{command: []string{needProgram(t, interpreter), "clients/" + script}}
	}
}

// built returns the folder into which `make e2e-setup` has built the driver of
// a language, and fails the test when the driver's source is another by now.
func built(t testing.TB, language string) string {
	t.Helper()
	folder := cached(t, language, "the driver in "+language)
	stamp, err := os.ReadFile(needFile(t, filepath.Join(folder, "source.sha256"), "the driver in "+language))
	if err != nil {
		t.Fatalf("reading the stamp of the driver in %s: %v", language, err)
	}
	if got := strings.TrimSpace(string(stamp)); got != sourceSum(t, "clients/"+language) {
		t.Fatalf("the driver in %s was built from another source: run `make e2e-setup`", language)
	}
	return folder
}

// sourceSum returns the SHA-256 of all files in a folder, one after the other
// in the order of their paths' bytes, as hex: what setup.sh's source_sum says.
func sourceSum(t testing.TB, folder string) string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(folder, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatalf("listing %s: %v", folder, err)
	}
	slices.Sort(files)
	sum := sha256.New()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("reading %s: %v", file, err)
		}
		sum.Write(text)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// answers holds what a driver printed, by check.
type answers map[string]any

// run runs the driver and returns its answers. The error holds what it printed
// on standard error.
func (d driver) run(t testing.TB, args ...string) (answers, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), driverTime)
	defer cancel()
	command := slices.Concat(d.command, args)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.WaitDelay = patience
	cmd.Env = append(os.Environ(), d.environment...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	got := answers{}
	for line := range bytes.Lines(out) {
		var said struct {
			Check string `json:"check"`
			Got   any    `json:"got"`
		}
		if jsonErr := json.Unmarshal(line, &said); jsonErr != nil {
			return got, fmt.Errorf("%v printed %q: %w", command, line, jsonErr)
		}
		got[said.Check] = said.Got
	}
	if err != nil && len(got) == 0 {
		return got, fmt.Errorf("%v did not begin; if its library is missing, run `make e2e-setup`: %w\n%s", command, err, stderr.Bytes())
	}
	if err != nil {
		return got, fmt.Errorf("%v after %d checks: %w\n%s", command, len(got), err, stderr.Bytes())
	}
	return got, nil
}
