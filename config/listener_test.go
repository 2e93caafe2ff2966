package config

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestListenerTLSHasWhatTheFilesHold(t *testing.T) {
	certificate, key := selfSigned(t)
	file := writeFile(t, "fsproxy.yaml", fmt.Sprintf(`
listeners:
  - address: 127.0.0.1:1
  - address: 127.0.0.1:2
    tls: {cert_file: %s, key_file: %s}
  - address: 127.0.0.1:3
    tls:
      cert_file: %s
      key_file: %s
      client_ca_file: %s
  - address: 127.0.0.1:4
    tls:
`, certificate, key, certificate, key, certificate))
	cfg := load(t, Sources{File: file})
	for i, want := range []struct{ encrypted, asks bool }{{false, false}, {true, false}, {true, true}, {false, false}} {
		got, err := cfg.Listeners[i].TLS.Server(slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if (got != nil) != want.encrypted {
			t.Fatalf("listener %d: %+v", i, got)
		}
		if got == nil {
			continue
		}
		if got.MinVersion != tls.VersionTLS12 || len(got.Certificates) != 1 || (got.ClientAuth == tls.RequireAndVerifyClientCert) != want.asks || (got.ClientCAs != nil) != want.asks {
			t.Errorf("listener %d: %+v", i, got)
		}
	}
	again := load(t, Sources{File: writeFile(t, "effective.yaml", string(Effective(cfg)))})
	for i := range cfg.Listeners {
		if again.Listeners[i] != cfg.Listeners[i] {
			t.Errorf("printed\n%s\nloaded\n%s", cfg, again)
		}
	}
}

func TestEachProblemOfListenerTLSNamesItsOption(t *testing.T) {
	certificate, key := selfSigned(t)
	pair := "cert_file: " + certificate + ", key_file: " + key
	for name, m := range map[string]struct {
		tls  string
		want []string
	}{
		"cert alone":  {"{cert_file: /c.pem}", []string{`listeners[0].tls.cert_file = "/c.pem"`, "a certificate without its key", "line 1"}},
		"key alone":   {"{key_file: /k.pem}", []string{"listeners[0].tls.key_file", "a key without its certificate"}},
		"CA alone":    {"{client_ca_file: /c.pem}", []string{"listeners[0].tls.client_ca_file", "has no effect without TLS"}},
		"no file":     {"{cert_file: /does/not/exist, key_file: /k}", []string{"listeners[0].tls.cert_file", "no such file"}},
		"no pair":     {"{cert_file: " + key + ", key_file: " + key + "}", []string{"listeners[0].tls.cert_file"}},
		"no CA":       {"{" + pair + ", client_ca_file: " + key + "}", []string{"listeners[0].tls.client_ca_file", "no PEM certificate"}},
		"unknown key": {"{" + pair + ", cert_fil: x}", []string{"listeners[0].tls.cert_fil", "did you mean cert_file?", "accepted: cert_file, key_file, client_ca_file"}},
		"text":        {"yes", []string{`listeners[0].tls = "yes"`, "accepted: a section of options: cert_file"}},
		"no value":    {"{" + pair + ", client_ca_file: }", []string{"listeners[0].tls.client_ca_file", "without a value"}},
		"key twice":   {"{" + pair + ", key_file: /k}", []string{"tls.key_file", "given twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			malformed{file: "listeners: [{address: '127.0.0.1:1', tls: " + m.tls + "}]", want: m.want}.check(t)
		})
	}
}

func TestClearTextToOtherMachinesIsWarnedOf(t *testing.T) {
	certificate, key := selfSigned(t)
	file := writeFile(t, "fsproxy.yaml", fmt.Sprintf(`
auth: {mode: upstream}
listeners: [{address: "127.0.0.1:1"}, {address: "unix:///a"}, {address: ":2"}, {address: ":3", tls: {cert_file: %s, key_file: %s}}]
`, certificate, key))
	warnings := load(t, Sources{File: file}).clearTextWarnings()
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0], "listeners[2] (:2)") {
		t.Errorf("%q", warnings)
	}
}
