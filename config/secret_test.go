package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const password = "correct horse battery"

func withPassword(t *testing.T, text string) *Config {
	t.Helper()
	path := writeFile(t, "password", text)
	return load(t, Sources{Environ: []string{"FSPROXY_UPSTREAM_PASSWORD_FILE=" + path, "FSPROXY_UPSTREAM_USERNAME=bob"}})
}

func TestPasswordIsReadWithoutItsLineBreak(t *testing.T) {
	for _, end := range []string{"", "\n", "\r\n"} {
		if got, given := withPassword(t, password+end).Upstream.Password(); got != password || !given {
			t.Errorf("ending in %q: got %q, %v", end, got, given)
		}
	}
	if got, given := Default().Upstream.Password(); got != "" || given {
		t.Errorf("a password by default: %q", got)
	}
}

func TestPasswordFilesThatHoldNoPasswordAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"": "empty", "\n": "empty", "a\nb\n": "more than one line", strings.Repeat("x", maxPasswordBytes+1): "more than 64KiB",
	} {
		_, err := Load(Sources{Environ: []string{"FSPROXY_UPSTREAM_PASSWORD_FILE=" + writeFile(t, "password", text)}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "upstream.password_file") {
			t.Errorf("%.5q: error %v, want one with %q", text, err, want)
		}
	}
}

func TestNothingPrintsThePassword(t *testing.T) {
	cfg := withPassword(t, password)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{cfg, *cfg, cfg.Upstream, &cfg.Upstream} {
			fmt.Fprintf(&out, verb, value)
		}
	}
	out.Write(Effective(cfg))
	var level slog.LevelVar
	for _, format := range []string{"text", "json"} {
		slog.New(Log{Level: "debug", Format: format}.Handler(&out, &level)).Debug("loaded", "config", cfg, "upstream", cfg.Upstream)
	}
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(asJSON)
	asYAML, err := yaml.Marshal(cfg.Upstream)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(asYAML)
	if strings.Contains(out.String(), password) || strings.Contains(out.String(), fmt.Sprintf("%x", password)) {
		t.Error("the password is printed")
	}
	if !bytes.Contains(Effective(cfg), []byte("password "+mask)) {
		t.Errorf("the effective configuration does not tell that there is a password:\n%s", cfg)
	}
}
