package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDocumentsHoldTheCurrentTables(t *testing.T) {
	for _, table := range tables {
		path := filepath.Join("..", "..", "docs", table.document)
		document, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := replaceTable(string(document), table.name, table.render())
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if want != string(document) {
			t.Errorf("the table of %s in %s is out of date; run: go run ./cmd/fsproxy tables", table.name, path)
		}
	}
}

func TestReplacingATableKeepsTheRestAndNamesAMissingMarker(t *testing.T) {
	got, err := replaceTable("a\n<!-- x:begin -->\nold\n<!-- x:end -->\nz\n", "x", "new\n")
	if err != nil || got != "a\n<!-- x:begin -->\n\nnew\n\n<!-- x:end -->\nz\n" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, document := range []string{"", "<!-- x:begin -->", "<!-- x:end --><!-- x:begin -->"} {
		if _, err := replaceTable(document, "x", ""); err == nil || !strings.Contains(err.Error(), "<!-- x:") {
			t.Errorf("%q: %v", document, err)
		}
	}
}

func TestTablesCommandRewritesItsFolder(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"OPERATIONS.md", "COMMANDS.md", "KUBERNETES.md"} {
		var markers string
		for _, table := range tables {
			markers += "<!-- " + table.name + ":begin --><!-- " + table.name + ":end -->\n"
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(markers), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, _, stderr := command(t, "tables", "--docs", folder); code != exitDone {
		t.Fatal(stderr)
	}
	got, err := os.ReadFile(filepath.Join(folder, "OPERATIONS.md"))
	if err != nil || !strings.Contains(string(got), "fsproxy_commands_total") || !strings.Contains(string(got), "cache.max_bytes") {
		t.Errorf("got %s, %v", got, err)
	}
	if code, _, stderr := command(t, "tables", "--docs", "/does/not/exist"); code != exitFailed || !strings.Contains(stderr, "/does/not/exist") {
		t.Errorf("exit code %d, error %q", code, stderr)
	}
}
