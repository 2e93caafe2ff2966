package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
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
