package rollout

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/fsproxy/fsproxy/config"
)

// The newest differences stay, in their order, whatever the bound was and is.
func TestTheNewestDifferencesStayWhenTheirNumberIsChanged(t *testing.T) {
	r := ring{most: 3}
	n := 0
	add := func(times int) {
		for range times {
			n++
			r.add(Wrong, Difference{Entity: fmt.Sprint(n)})
		}
	}
	want := func(count int) {
		t.Helper()
		got := r.latest(100)
		if len(got) != count {
			t.Fatalf("%d are remembered, want %d", len(got), count)
		}
		for i, d := range got {
			if d.Entity != fmt.Sprint(n-i) {
				t.Fatalf("at %d: %s of %d", i, d.Entity, n)
			}
		}
	}
	add(5)
	r.bound(2)
	want(2)
	add(1)
	want(2)
	r.bound(4)
	want(2)
	add(7)
	want(4)
	r.bound(3)
	add(1)
	want(3)
}

// A log that cannot be opened leaves everything as it was; one that can is written to
// in the place of the one before.
func TestTheLogOfDifferencesIsChangedWholeOrNotAtAll(t *testing.T) {
	folder := t.TempDir()
	first, second := filepath.Join(folder, "first"), filepath.Join(folder, "second")
	options := config.Rollout{Queue: 1, Differences: 5, Log: first}
	r, err := New(Config{Mode: config.ModeLive, Options: options})
	if err != nil {
		t.Fatal(err)
	}
	defer r.journal.close()
	bad := options
	bad.Differences, bad.Log = 7, filepath.Join(folder, "none", "file")
	if _, err := r.Tune(bad); err == nil || r.Options().Differences != 5 {
		t.Fatalf("error %v, in force %+v", err, r.Options())
	}
	write := func(entity string) {
		t.Helper()
		if _, err := r.journal.write(Difference{Entity: entity}); err != nil {
			t.Fatal(err)
		}
	}
	write("a")
	options.Log = second
	apply, err := r.Tune(options)
	if err != nil {
		t.Fatal(err)
	}
	write("b")
	apply()
	write("c")
	for file, lines := range map[string]int{first: 2, second: 1} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, b := range text {
			if b == '\n' {
				got++
			}
		}
		if got != lines {
			t.Errorf("%s has %d lines, want %d", file, got, lines)
		}
	}
}
