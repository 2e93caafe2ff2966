package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestEachProblemOfAuthNamesOptionAndWhatIsAccepted(t *testing.T) {
	password := writeFile(t, "password", "hunter2\n")
	for name, m := range map[string]malformed{
		"open without auth":   {file: "listeners: [{address: '0.0.0.0:6379'}]\nauth: {mode: none}", want: []string{"listeners[0].address", "clients are not authenticated", "auth.mode password or upstream", "line 1"}},
		"second one open":     {args: []string{"--listen=127.0.0.1:1,:2"}, want: []string{`listeners[1].address = ":2"`}},
		"TLS is no auth":      {file: openListenerWithTLS(t), want: []string{"listeners[0].address", "clients are not authenticated"}},
		"mode":                {file: "auth: {mode: pasword}\nlisteners: [{address: ':1'}]", want: []string{`auth.mode = "pasword"`, "did you mean password?", "none, password or upstream"}},
		"password without":    {file: "auth: {mode: password}", want: []string{`auth.mode = "password"`, "auth.password_file beside it"}},
		"password file none":  {file: "auth: {mode: password, password_file: /does/not/exist}", want: []string{"auth.password_file", "no such file"}},
		"password file empty": {file: "auth: {mode: password, password_file: " + writeFile(t, "empty", "\n") + "}", want: []string{"auth.password_file", "empty"}},
		"password unused":     {file: "auth: {password_file: " + password + "}", want: []string{"auth.password_file", "has no effect unless auth.mode is password"}},
		"password, upstream":  {file: "auth: {mode: upstream, password_file: " + password + "}", want: []string{"auth.password_file", "has no effect unless auth.mode is password"}},
		"password as pw":      {file: "auth: {pw: hunter2}", want: []string{`auth.pw = "********"`}},
		"password as section": {file: "auth: hunter2", want: []string{`auth = "********"`}},
		"password in place":   {file: "auth: {password: hunter2}", want: []string{`auth.password = "********"`, "accepted: mode, password_file"}},
		"ttl too large":       {environ: "FSPROXY_AUTH_CACHE_TTL=61m", want: []string{"auth.cache_ttl", "too large"}},
		"rows unshared":       {environ: "FSPROXY_AUTH_SHARE_ROWS=true", want: []string{"auth.share_rows", "has no effect unless auth.mode is upstream"}},
	} {
		t.Run(name, func(t *testing.T) { m.check(t) })
	}
}

func openListenerWithTLS(t *testing.T) string {
	certificate, key := selfSigned(t)
	return fmt.Sprintf("listeners: [{address: '0.0.0.0:6379', tls: {cert_file: %s, key_file: %s}}]", certificate, key)
}

func TestAuthOpensListenersToOtherMachines(t *testing.T) {
	password := writeFile(t, "password", "hunter2\n")
	for _, auth := range []string{"{mode: upstream, cache_ttl: 0s}", "{mode: password, password_file: " + password + "}"} {
		for _, address := range []string{":6379", "0.0.0.0:6379", "[::]:6379", "10.0.0.1:6379", "proxy.example.com:6379", "127.0.0.1:6379"} {
			file := writeFile(t, "fsproxy.yaml", fmt.Sprintf("auth: %s\nlisteners: [{address: %q}]\n", auth, address))
			if _, err := Load(Sources{File: file}); err != nil {
				t.Errorf("%s, %s: %v", auth, address, err)
			}
		}
	}
}

func TestPasswordOfClientsIsReadAndNeverPrinted(t *testing.T) {
	path := writeFile(t, "password", password+"\n")
	cfg := load(t, Sources{Environ: []string{"FSPROXY_AUTH_MODE=password", "FSPROXY_AUTH_PASSWORD_FILE=" + path}})
	if got, given := cfg.Auth.Password(); got != password || !given {
		t.Errorf("got %q, %v", got, given)
	}
	if cfg.Auth.CacheTTL != time.Minute {
		t.Errorf("cache_ttl %v", cfg.Auth.CacheTTL)
	}
	printed := fmt.Sprintf("%v %+v %#v %s", cfg, *cfg, cfg.Auth, Effective(cfg))
	if strings.Contains(printed, password) {
		t.Error("the password is printed")
	}
	if !strings.Contains(string(Effective(cfg)), "password "+mask) {
		t.Errorf("the effective configuration does not tell that there is a password:\n%s", cfg)
	}
	if _, given := Default().Auth.Password(); given {
		t.Error("a password by default")
	}
}
