package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/codec"
	"github.com/fsproxy/fsproxy/invalidation/kafka"
)

func TestTheCatalogueRulesWhereItSpeaksAndTheOptionsElse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "features.yaml")
	catalogue := `scheme: name
features:
- {name: long, type: float, max_age: 26h, stale_if_error: 10m}
- {name: short, type: float, max_age: 1m, stale_if_error: 0s}
- {name: never, type: float, cacheable: false}
`
	if err := os.WriteFile(file, []byte(catalogue), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Sources{Environ: []string{"FSPROXY_FEATURES_FILE=" + file, "FSPROXY_UPSTREAM_STALE_IF_ERROR=2m"}})
	if err != nil {
		t.Fatal(err)
	}
	of := policies(cfg, cfg.Catalogue())
	for field, want := range map[string]cache.Policy{
		"long":     {MaxAge: 26 * time.Hour, NegativeMaxAge: 5 * time.Minute, StaleIfError: 10 * time.Minute, Keep: true},
		"short":    {MaxAge: time.Minute, NegativeMaxAge: time.Minute, Keep: true},
		"never":    {MaxAge: time.Hour, NegativeMaxAge: 5 * time.Minute, StaleIfError: 2 * time.Minute},
		"unlisted": {MaxAge: time.Hour, NegativeMaxAge: 5 * time.Minute, StaleIfError: 2 * time.Minute, Keep: true},
	} {
		want.Definition = cfg.Catalogue().Feature(field)
		if got := of(field); got != want {
			t.Errorf("%s: %+v, want %+v", field, got, want)
		}
	}
	if got := policies(config.Default(), feature.Empty())(feature.ID("x")); got.MaxAge != time.Hour || !got.Keep {
		t.Errorf("without a catalogue: %+v", got)
	}
}

func TestACatalogueIsReloadedWhole(t *testing.T) {
	folder := t.TempDir()
	file, features := filepath.Join(folder, "fsproxy.yaml"), filepath.Join(folder, "features.yaml")
	write := func(file, text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(features, "scheme: name\nfeatures: [{name: eta, type: float}]\n")
	write(file, "listeners: [{address: \"127.0.0.1:0\", values: decoded}]\nadmin: {address: \"\"}\nupstream: {addresses: [\"127.0.0.1:1\"]}\nfeatures_file: "+features+"\n")
	load := func() (*config.Config, error) { return config.Load(config.Sources{File: file}) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSidecar(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.closeStores()
	defer s.closeListeners()
	defer s.cache.Close()
	s.reload.from(file, load)
	project := func() *cache.Projection {
		return s.cache.ProjectionIn(cache.View{Decoded: true}, []byte("$3\r\neta\r\n"), [][]byte{[]byte("eta")})
	}
	p := project()

	write(features, "scheme: name\nfeatures: [{name: eta, type: nonsense}]\n")
	if got := s.reload.reload(); got.OK || s.catalogue.Feature("eta").Type != codec.Float {
		t.Errorf("a catalogue that is wrong: %+v", got)
	}
	write(features, "scheme: xxhash32\nfeatures: [{name: eta, type: int}]\n")
	if got := s.reload.reload(); !got.OK || len(got.Restart) != 1 || s.catalogue.Feature("eta").Type != codec.Float {
		t.Errorf("another scheme needs a restart: %+v", got)
	}
	write(features, "scheme: name\nfeatures: [{name: eta, type: int_list}, {name: more, type: int}]\n")
	got := s.reload.reload()
	if !got.OK || len(got.Changed) != 1 || got.Changed[0] != "features_file" || len(got.Restart) != 0 {
		t.Errorf("another catalogue: %+v", got)
	}
	if s.catalogue.Feature("eta").Type != codec.IntList || s.catalogue.Feature("more") == nil {
		t.Error("the catalogue is not in force")
	}
	if project() == p {
		t.Error("the cache goes by the old one")
	}
	if got := s.reload.reload(); len(got.Changed) != 0 {
		t.Errorf("nothing has changed: %+v", got)
	}
}

func TestTypedValuesOfUpdatesAreEncodedAsTheStoreHasThem(t *testing.T) {
	catalogue, err := feature.Parse("f", []byte(`
features:
  - {name: list, type: int_list}
  - {name: eta, type: float}
  - {name: open, type: bool}
  - {name: zone, type: string}
  - {name: shown, type: int_list, encoding: text}
  - {name: words, type: string_list, encoding: text}
`))
	if err != nil {
		t.Fatal(err)
	}
	encode := encoder(catalogue)
	for _, given := range []string{"list", feature.ID("list")} {
		stored, err := encode([]byte(given), []byte("[1,2]"))
		if err != nil {
			t.Fatal(err)
		}
		if decoded, err := catalogue.Feature("list").Decode(nil, stored); err != nil || len(decoded) != 16 {
			t.Errorf("%s: %q, %v", given, decoded, err)
		}
	}
	for literal, want := range map[string]string{"1.50": "1.50", `"inf"`: "inf"} {
		if stored, err := encode([]byte("eta"), []byte(literal)); err != nil || string(stored) != want {
			t.Errorf("%s: %q, %v", literal, stored, err)
		}
	}
	// Text stays as the record spells it, if it is of the type.
	for _, c := range []struct{ name, literal, want string }{
		{"eta", `"1.50"`, "1.50"},
		{"eta", `"much"`, ""},
		{"eta", "null", ""},
		{"eta", "true", ""},
		{"open", "true", "1"},
		{"open", `"True"`, "True"},
		{"open", `"yes"`, ""},
		{"shown", "[7, -1]", "[7, -1]"},
		{"shown", `"[7,-1]"`, "[7,-1]"},
		{"shown", "[7.5]", ""},
		{"shown", "7", ""},
		{"words", `["Z\u00fcrich", "a"]`, `["Z\u00fcrich", "a"]`},
		{"words", "[null]", ""},
		{"zone", `"Z\u00fcrich"`, "Zürich"},
		{"zone", "\"\xff\"", ""},
		{"zone", "7", ""},
	} {
		stored, err := encode([]byte(c.name), []byte(c.literal))
		if (err == nil) != (c.want != "") || err == nil && string(stored) != c.want {
			t.Errorf("%s %s: %q, %v, want %q", c.name, c.literal, stored, err, c.want)
		}
	}
	if _, err := encode([]byte("list"), []byte("[1.5]")); err == nil || errors.Is(err, kafka.ErrUnlisted) {
		t.Errorf("of another type: %v", err)
	}
	if _, err := encode([]byte("other"), []byte("1")); !errors.Is(err, kafka.ErrUnlisted) {
		t.Errorf("not listed: %v", err)
	}
	if encoder(nil) != nil {
		t.Error("an encoder without a catalogue")
	}
}
