package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func invalidate(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(context.Background(), append([]string{"invalidate"}, args...), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestInvalidateAsksForOneThing(t *testing.T) {
	var got map[string]any
	var token string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got, token = nil, r.Header.Get("Authorization")
		if err := json.Unmarshal(body, &got); err != nil || r.URL.Path != "/api/v1/invalidate" || r.Method != http.MethodPost {
			t.Errorf("%s %s %q", r.Method, r.URL, body)
		}
		_, _ = w.Write([]byte(`{"what": "that", "features": 3}`))
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(tokenVariable, "from-environment")
	for _, c := range []struct {
		args        []string
		field, want string
		token       string
	}{
		{[]string{"--feature", "a*"}, "feature", `"a*"`, "from-environment"},
		{[]string{"--entity", "st_1", "--token-file", file}, "entity", `"st_1"`, "from-file"},
		{[]string{"--all"}, "all", "true", "from-environment"},
	} {
		code, out, errs := invalidate(t, append(c.args, "--admin", server.Listener.Addr().String())...)
		value, _ := json.Marshal(got[c.field])
		if code != exitDone || len(got) != 1 || string(value) != c.want || token != "Bearer "+c.token || !strings.Contains(out, "invalidated that") {
			t.Errorf("%q: exit %d, asked %v with %q, said %q %q", c.args, code, got, token, out, errs)
		}
	}
}

// In the container of a sidecar variables say where it answers, and where its token is.
func TestEachCommandThatAsksFindsTheSidecarByItself(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("a token of some length\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(addressVariable, runSidecar(t, fmt.Sprintf("admin: {address: \"127.0.0.1:0\", token_file: %q}\n", file)))
	t.Setenv(fileVariable, file)
	for _, args := range [][]string{{"invalidate", "--all"}, {"ctl", "invalidate", "--all"}, {"ctl", "status"}, {"top", "--once"}} {
		if code, _, stderr := command(t, args...); code != exitDone {
			t.Errorf("%v ends with %d: %s", args, code, stderr)
		}
	}
}

func TestInvalidateSaysWhatIsWrong(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error": "this needs the token"}`))
	}))
	defer refusing.Close()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "one of --feature NAME, --entity KEY and --all"},
		{[]string{"--feature", "a", "--all"}, exitUsage, "one of"},
		{[]string{"--feature", ""}, exitUsage, "one of"},
		{[]string{"a"}, exitUsage, "unexpected argument"},
		{[]string{"--all", "--admin", refusing.Listener.Addr().String()}, exitFailed, "this needs the token"},
		{[]string{"--all", "--admin", "127.0.0.1:1"}, exitFailed, "127.0.0.1:1"},
		{[]string{"--all", "--token-file", "/does/not/exist"}, exitFailed, "no such file"},
	} {
		if code, _, errs := invalidate(t, c.args...); code != c.code || !strings.Contains(errs, c.want) {
			t.Errorf("%q: exit %d, %q; want %d with %q", c.args, code, errs, c.code, c.want)
		}
	}
}
