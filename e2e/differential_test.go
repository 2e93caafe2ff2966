//go:build e2e

package e2e

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// differentialTime is how long random sequences are tried where
	// E2E_DIFFERENTIAL does not say.
	differentialTime = 30 * time.Second
	// differentialFindings is after how many distinct differences the search
	// ends.
	differentialFindings = 12
	// leastFromMemory is the share of fields that must have come from memory.
	// Random sequences write nearly as often as they read.
	leastFromMemory = 0.05
	// keptSequences is where sequences are that have once failed.
	keptSequences = "differential"
)

// Of the options only those differ from the defaults that the comparison needs:
// the store's answer counts from the moment at which it has taken a write,
// since it is but one, and a busy machine may be slow.
const differentialOptions = `
upstream: {discovery: standalone, addresses: [%s], fetch_timeout: 5s, connect_timeout: 5s}
cache: {write_settle: %s}
`

// startContest starts two stores and an fsproxy in front of the one.
func startContest(t testing.TB, settle string) *contest {
	t.Helper()
	// Blocked clients are looked after this often a second, 10 being the default.
	const often = "500"
	behind, direct := startStore(t, "--hz", often), startStore(t, "--hz", often)
	options := strings.NewReplacer("[%s]", "["+behind.addr+"]", "%s", settle).Replace(differentialOptions)
	p := startConfiguredProxy(t, options)
	return &contest{proxy: p.addr, store: direct.addr, fields: func() fieldCounts { return p.fields(t) }}
}

// Any sequence of requests is answered by fsproxy as by the store itself, byte
// by byte, but for differenceTables.
//
// E2E_DIFFERENTIAL is for how long to try (10m), E2E_SEED the seed to begin
// with: each sequence has its own, one more than the last one's.
func TestRandomSequencesAreAnsweredAsByTheStore(t *testing.T) {
	span := differentialTime
	if asked := os.Getenv("E2E_DIFFERENTIAL"); asked != "" {
		var err error
		if span, err = time.ParseDuration(asked); err != nil {
			t.Fatalf("E2E_DIFFERENTIAL: %v", err)
		}
	}
	// A run of the usual length tries the same sequences each time, so that it
	// says something of the change at hand; a longer one is for finding more.
	seed := uint64(1)
	if os.Getenv("E2E_DIFFERENTIAL") != "" {
		seed = rand.Uint64N(1 << 40)
	}
	if asked := os.Getenv("E2E_SEED"); asked != "" {
		var err error
		if seed, err = strconv.ParseUint(asked, 10, 64); err != nil {
			t.Fatalf("E2E_SEED: %v", err)
		}
	}
	t.Logf("E2E_SEED=%d", seed)
	c := startContest(t, "0s")
	names := commandNames(t, c)
	known := map[string]bool{}
	sequences, requests := 0, 0
	for deadline := time.Now().Add(span); time.Now().Before(deadline) && len(known) < differentialFindings; seed++ {
		s := generate(seed, names)
		sequences++
		for _, turn := range s {
			requests += len(turn.asks)
		}
		m := c.mustRun(t, s)
		if m == nil || known[m.signature()] {
			continue
		}
		known[m.signature()] = true
		report(t, c, seed, s, m)
	}
	counted := c.fields()
	t.Logf("%d sequences, %d requests; fields by result: %v", sequences, requests, counted)
	if share := float64(counted.fromMemory()) / float64(counted.total()); share < leastFromMemory {
		t.Errorf("%.3f of the fields came from memory, want %v: the cache was hardly in play", share, leastFromMemory)
	}
}

// commandNames asks the store for the names of its commands, in an order of
// their own, so that a seed means the same each time.
func commandNames(t testing.TB, c *contest) []string {
	t.Helper()
	reply, err := parseAnswer(dialWire(t, c.store).do(t, "COMMAND", "LIST"))
	if err != nil {
		t.Fatalf("COMMAND LIST: %v", err)
	}
	names := make([]string, len(reply.elements))
	for i, e := range reply.elements {
		names[i] = strings.ToUpper(e.text)
	}
	slices.Sort(names)
	return names
}

// report shrinks a sequence that fails and prints it in the form of a kept one.
func report(t *testing.T, c *contest, seed uint64, s sequence, first *mismatch) {
	t.Helper()
	smallest := shrink(s, func(smaller sequence) bool {
		m := c.mustRun(t, smaller)
		return m != nil && m.signature() == first.signature()
	})
	m := c.mustRun(t, smallest)
	if m == nil {
		t.Errorf("seed %d: %v\nIt did not happen again.\n%s", seed, first, s)
		return
	}
	t.Errorf("seed %d: %v\nTo keep it, add this to a file in %s:\n\n%s", seed, m, keptSequences, smallest)
}

// What was once answered otherwise stays mended, also with the default for how
// long a write settles.
func TestKeptSequencesAreAnsweredAsByTheStore(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(keptSequences, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no kept sequences in %s: %v", keptSequences, err)
	}
	for _, settle := range []string{"0s", "1s"} {
		c := startContest(t, settle)
		for _, file := range files {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/settle "+settle, func(t *testing.T) {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				s, err := parseSequence(string(text))
				if err != nil {
					t.Fatalf("%s: %v", file, err)
				}
				if m := c.mustRun(t, s); m != nil {
					t.Errorf("%s: %v", file, m)
				}
			})
		}
	}
}

// A sequence that is written and read back is the same, or what is kept would
// not be what was found.
func TestSequencesAreReadBackAsTheyWereWritten(t *testing.T) {
	names := []string{"GET", "HSET"}
	for seed := range uint64(200) {
		s := generate(seed, names)
		back, err := parseSequence(s.String())
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, s)
		}
		if back.String() != s.String() || len(back) != len(s) {
			t.Fatalf("seed %d: read back as\n%s\nof\n%s", seed, back, s)
		}
		for i := range s {
			if string(back[i].bytes()) != string(s[i].bytes()) || back[i].connection != s[i].connection {
				t.Fatalf("seed %d, turn %d: read back as %q of %q", seed, i, back[i].bytes(), s[i].bytes())
			}
		}
	}
}

// The document has the tables that the test goes by.
func TestDifferencesAreDocumented(t *testing.T) {
	const document = "../docs/DIFFERENCES.md"
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range differenceTables {
		begin, end := "<!-- "+table.name+":begin -->\n", "<!-- "+table.name+":end -->"
		_, rest, found := strings.Cut(string(text), begin)
		got, _, ended := strings.Cut(rest, end)
		want := "\n" + markdownDifferences(table.differences) + "\n"
		if !found || !ended || got != want {
			t.Errorf("%s has not this between %s and %s:\n%s", document, strings.TrimSpace(begin), end, want)
		}
	}
}
