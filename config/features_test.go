package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func withFeatures(t *testing.T, content string) (*Config, string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "features.yaml")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(Sources{Environ: []string{"FSPROXY_FEATURES_FILE=" + file}})
	return cfg, file, err
}

func TestTheCatalogueIsReadWithTheConfiguration(t *testing.T) {
	cfg, _, err := withFeatures(t, "scheme: name\nfeatures: [{name: eta, type: float}]\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := cfg.Catalogue(); got.Len() != 1 || got.Lookup("eta") == nil {
		t.Errorf("%d features", got.Len())
	}
	if Default().Catalogue().Len() != 0 {
		t.Error("the default catalogue lists features")
	}
}

func TestAProblemOfTheCatalogueNamesFileLineThingAndFix(t *testing.T) {
	_, file, err := withFeatures(t, "features:\n- name: eta\n  type: flaot\n- name: eta\n  type: int\n  colour: red\n")
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"features_file = ", "FSPROXY_FEATURES_FILE", file + `:3: feature eta: type "flaot" is unknown; did you mean float?`,
		file + `:6: feature eta: "colour" is unknown in a feature; accepted: `,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	_, err = Load(Sources{Environ: []string{"FSPROXY_FEATURES_FILE=/does/not/exist"}})
	if err == nil || !strings.Contains(err.Error(), "no such file") || !strings.Contains(err.Error(), "accepted: ") {
		t.Errorf("of a file that is not there: %v", err)
	}
}

func TestProblemsOfACatalogueDoNotHideThoseOfOptions(t *testing.T) {
	_, _, err := withFeatures(t, strings.Repeat("x: 1\n", 1)+"features:\n"+strings.Repeat("- {}\n", 50))
	if lines := strings.Count(err.Error(), "\n") + 1; lines != maxCatalogueProblems+1 || !strings.Contains(err.Error(), "fsproxy features lint") {
		t.Errorf("%d lines: %v", lines, err)
	}
}

func TestNamesThatCollideAreWarnedOf(t *testing.T) {
	cfg, _, err := withFeatures(t, "features: [{name: daf_feature_2467, type: float}, {name: daf_feature_176141, type: float}]\n")
	if err != nil {
		t.Fatal(err)
	}
	if warnings := strings.Join(cfg.Warnings(), "\n"); !strings.Contains(warnings, "daf_feature_2467") || !strings.Contains(warnings, "daf_feature_176141") {
		t.Errorf("warnings %q", warnings)
	}
}
