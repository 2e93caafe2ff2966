package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func loadText(t *testing.T, text string) *Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "fsproxy.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(Sources{File: file})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestTakeOverTakesWhatMayChangeAtRunTimeAndNothingElse(t *testing.T) {
	folder := t.TempDir()
	token := filepath.Join(folder, "token")
	if err := os.WriteFile(token, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := loadText(t, "mode: live\nwarm: {interval: 1h}\n")
	later := loadText(t, "mode: off\nwarm: {interval: 2h}\ncache: {write_settle: 3s}\nlimits: {max_clients: 5}\nadmin: {token_file: "+token+"}\n")
	reloadable, restart := Changes(before, later)
	if want := []string{"mode", "cache.write_settle", "limits.max_clients", "admin.token_file"}; !slices.Equal(reloadable, want) {
		t.Errorf("reloadable: %v", reloadable)
	}
	if want := []string{"warm.interval"}; !slices.Equal(restart, want) {
		t.Errorf("restart: %v", restart)
	}
	now := before.TakeOver(later)
	for key, want := range map[string]string{"mode": "off", "warm.interval": "1h", "cache.write_settle": "3s", "limits.max_clients": "5"} {
		if got := now.text(key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
	if secret, _ := now.Admin.Token(); secret != "0123456789abcdef" {
		t.Error("the token was not taken over")
	}
	if before.text("mode") != "live" || before.origin("cache.write_settle") != (Origin{}) {
		t.Error("what was in force before was changed")
	}
	if origin := now.origin("cache.write_settle").String(); !strings.HasPrefix(origin, "file ") {
		t.Errorf("cache.write_settle comes from %s", origin)
	}

	if err := os.WriteFile(token, []byte("fedcba9876543210\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	renewed := loadText(t, "admin: {token_file: "+token+"}\n")
	if changed, _ := Changes(loadText(t, "admin: {token_file: "+token+"}\n"), renewed); len(changed) != 0 {
		t.Errorf("nothing has changed, and %v", changed)
	}
	if changed, _ := Changes(now, now.TakeOver(renewed)); !slices.Contains(changed, "admin.token_file") {
		t.Errorf("another token in the same file is no change: %v", changed)
	}
}

func TestInForceHasEachOptionWithValueAndOriginAndNoSecret(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("a-secret-that-nobody-may-see"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := loadText(t, "listeners: [{address: \"127.0.0.1:1\"}, {address: \"127.0.0.1:2\"}]\nadmin: {token_file: "+token+"}\n")
	settings := cfg.InForce()
	if len(settings) != len(Options()) {
		t.Errorf("%d settings for %d options", len(settings), len(Options()))
	}
	for _, s := range settings {
		if strings.Contains(s.Value, "a-secret") || strings.Contains(s.Value, "\n") {
			t.Errorf("%s = %q", s.Option.Key, s.Value)
		}
		if s.Option.Key == "listeners" && (s.Value != `[{address: '127.0.0.1:1'}, {address: '127.0.0.1:2'}]` || s.Origin == (Origin{})) {
			t.Errorf("listeners = %s from %s", s.Value, s.Origin)
		}
	}
}

func TestATokenThatCouldBeGuessedIsRefused(t *testing.T) {
	for text, fine := range map[string]bool{"": false, "hunter2": false, "two\nlines of a token": false, "0123456789abcdef": true} {
		file := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(Sources{Environ: []string{"FSPROXY_ADMIN_TOKEN_FILE=" + file}})
		if (err == nil) != fine {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && (text != "" && strings.Contains(err.Error(), text) || !strings.Contains(err.Error(), "admin.token_file")) {
			t.Errorf("the error tells the token, or not the option: %v", err)
		}
	}
}

func TestTheTokenOfCommandsIsNoUnknownOption(t *testing.T) {
	if _, err := Load(Sources{Environ: []string{TokenVariable + "=secret"}}); err != nil {
		t.Error(err)
	}
}

func TestFeatureSeriesAreOffAllOrANumber(t *testing.T) {
	for text, want := range map[string]int{"off": 0, "all": -1, "1": 1, "10000": 10000, "0": -2, "10001": -2, "some": -2, "": -2} {
		cfg, err := Load(Sources{Environ: []string{"FSPROXY_METRICS_FEATURES=" + text}})
		switch {
		case err != nil && want != -2:
			t.Errorf("%s: %v", text, err)
		case err == nil && cfg.Metrics.Features.Most() != want:
			t.Errorf("%s means %d", text, cfg.Metrics.Features.Most())
		}
	}
}
