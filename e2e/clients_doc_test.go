//go:build e2e

package e2e

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// updateDocs makes TestClientsDocIsTheTable write rather than compare.
var updateDocs = flag.Bool("update", false, "write the table into docs/CLIENTS.md")

const (
	clientsDoc      = "../docs/CLIENTS.md"
	clientsDocBegin = "<!-- clients:begin -->\n"
	clientsDocEnd   = "<!-- clients:end -->\n"
)

// checkWords are the checks that a library may do without, in the words of the
// documentation.
var checkWords = map[string]string{
	"multi":    "MULTI",
	"pipeline": "pipelines",
	"pubsub":   "pub/sub",
}

// TestClientsDocIsTheTable keeps docs/CLIENTS.md at what TestClients runs.
func TestClientsDocIsTheTable(t *testing.T) {
	text, err := os.ReadFile(clientsDoc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), clientsDocBegin)
	_, after, closed := strings.Cut(rest, clientsDocEnd)
	if !found || !closed {
		t.Fatalf("%s has no table between %q and %q", clientsDoc, clientsDocBegin, clientsDocEnd)
	}
	want := before + clientsDocBegin + "\n" + renderClients() + "\n" + clientsDocEnd + after
	if *updateDocs {
		if err := os.WriteFile(clientsDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(text) {
		t.Errorf("%s differs from the table that TestClients runs: "+
			"go test -tags e2e ./e2e -run TestClientsDocIsTheTable -update", clientsDoc)
	}
}

// renderClients renders clientTable in Markdown: what was tried, and how each
// client is told where fsproxy is.
func renderClients() string {
	var b strings.Builder
	b.WriteString("| language | client | version | standalone | cluster | result |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- |\n")
	for _, c := range clientTable {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n",
			c.language, c.name, c.version, protocols(c.standalone), protocols(c.cluster), c.result())
	}
	b.WriteString("\n| client | standalone | cluster |\n| --- | --- | --- |\n")
	var seen []string
	for _, c := range clientTable {
		if c.config == "" || slices.Contains(seen, c.name) {
			continue
		}
		seen = append(seen, c.name)
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.name, code(c.config), code(c.clusterConfig))
	}
	return b.String()
}

// protocols renders the versions of the protocol tried in one mode.
func protocols(versions []int) string {
	if len(versions) == 0 {
		return "–"
	}
	words := make([]string, len(versions))
	for i, v := range versions {
		words[i] = fmt.Sprintf("RESP%d", v)
	}
	return strings.Join(words, ", ")
}

func code(line string) string {
	if line == "" {
		return "–"
	}
	return "`" + line + "`"
}

// result says how the checks of c end.
func (c clientLibrary) result() string {
	if c.refuses != "" {
		return "does not connect: fsproxy has no client tracking (`" + c.refuses + "`)"
	}
	words := []string{"works"}
	for _, where := range []string{"cluster", "RESP2"} {
		if len(c.without[where]) == 0 || len(c.without["standalone"]) > 0 {
			continue
		}
		words = append(words, fmt.Sprintf("the client has no %s in %s", listed(c.without[where]), inWhich(where)))
	}
	if anywhere := c.without["standalone"]; len(anywhere) > 0 {
		words = append(words, "not tried: "+listed(anywhere))
	}
	return strings.Join(words, "; ")
}

// listed renders checks as words.
func listed(checks []string) string {
	words := make([]string, len(checks))
	for i, c := range checks {
		words[i] = checkWords[c]
	}
	return strings.Join(words, ", ")
}

// inWhich names a key of clientLibrary.without.
func inWhich(where string) string {
	if where == "cluster" {
		return "cluster mode"
	}
	return where
}
