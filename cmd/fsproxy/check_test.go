package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheckPrintsTheEffectiveConfigurationOfAllSources(t *testing.T) {
	folder := t.TempDir()
	file, password := filepath.Join(folder, "fsproxy.yaml"), filepath.Join(folder, "password")
	for path, text := range map[string]string{file: "mode: off\nupstream: {password_file: " + password + "}\n", password: "hunter2\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("FSPROXY_CONFIG", file)
	t.Setenv("FSPROXY_CACHE_MAX_AGE", "2h")
	code, stdout, stderr := command(t, "check", "--listen", "127.0.0.1:1")
	if code != exitDone || stderr != "" {
		t.Fatalf("exit code %d, error %q", code, stderr)
	}
	for _, line := range []string{
		"\nmode: \"off\" # file " + file + ", line 1\n",
		"  max_age: 2h # environment variable FSPROXY_CACHE_MAX_AGE\n",
		"listeners: # flag --listen\n  - address: 127.0.0.1:1\n",
		"line 2; password ********\n",
	} {
		if !strings.Contains(stdout, line) {
			t.Errorf("no %q in\n%s", line, stdout)
		}
	}
	if strings.Contains(stdout, "hunter2") {
		t.Errorf("the password is printed:\n%s", stdout)
	}
}

func TestCheckWarnsOfACacheThatDoesNotFitIntoMemory(t *testing.T) {
	t.Setenv("FSPROXY_CACHE_MAX_BYTES", "1024GiB")
	code, _, stderr := command(t, "check")
	if code != exitDone || !strings.HasPrefix(stderr, "fsproxy: warning: cache.max_bytes is 1024GiB") {
		t.Errorf("exit code %d, error %q", code, stderr)
	}
}

// adminServer answers /readyz with a status and returns its address.
func adminServer(t *testing.T, status int, text string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" || r.Method != http.MethodGet {
			t.Errorf("asked %s %s", r.Method, r.URL.Path)
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestCheckReadyAsksTheAdminAddressHoweverItIsNamed(t *testing.T) {
	address := adminServer(t, http.StatusOK, "ok")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	for _, args := range [][]string{
		{"check", "--ready", "--admin", address},
		{"check", "--ready=" + address},
		{"check", "--ready", address},
		{"check", "--ready=http://" + address + "/readyz"},
		{"check", "--ready", "--admin", strings.Replace(address, "127.0.0.1", "0.0.0.0", 1)},
		{"check", "--ready", "--admin", strings.Replace(address, "127.0.0.1", "", 1)},
	} {
		if code, stdout, stderr := command(t, args...); code != exitDone || stdout != "ready\n" || stderr != "" {
			t.Errorf("%v: exit code %d, output %q, error %q", args, code, stdout, stderr)
		}
	}
}

func TestCheckReadyFailsWithTheReason(t *testing.T) {
	refusing := adminServer(t, http.StatusServiceUnavailable, "listener not open\n"+strings.Repeat("x", 1<<16))
	for _, c := range []struct{ admin, want string }{
		{refusing, "503 Service Unavailable: listener not open"},
		{"127.0.0.1:1", "connection refused"},
		{"", "admin.address is empty"},
		{"127.0.0.1:0", "port 0"},
	} {
		code, _, stderr := command(t, "check", "--ready", "--admin="+c.admin)
		if code != exitFailed || !strings.Contains(stderr, c.want) || len(stderr) > 2*maxReadyBytes {
			t.Errorf("admin %q: exit code %d, error %q", c.admin, code, stderr)
		}
	}
}
