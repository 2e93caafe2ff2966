package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
)

func TestDialAsIsJudgedByTheStore(t *testing.T) {
	store := miniredis.RunT(t)
	store.RequireUserAuth("alice", "a")
	u := NewUpstream(Config{
		Discovery: DiscoveryConfig{Kind: KindStandalone, Addresses: []string{store.Addr()}}, ConnectTimeout: patience,
		RefreshInterval: patience, FetchTimeout: patience, Log: slog.New(slog.DiscardHandler),
	})
	defer u.Close()
	for _, tc := range []struct {
		who     Credentials
		refused bool
	}{
		{Credentials{User: "alice", Named: true, Password: "a"}, false},
		{Credentials{User: "alice", Named: true, Password: "b"}, true},
		{Credentials{User: "alice", Named: true}, true},
		{Credentials{User: "default", Password: "a"}, true},
	} {
		nc, err := u.DialAs(t.Context(), store.Addr(), &tc.who)
		if nc != nil {
			_ = nc.Close()
		}
		if text, refused := Refusal(err); refused != tc.refused || refused && !strings.HasPrefix(text, "WRONGPASS") || !refused && err != nil {
			t.Errorf("%v: %v", tc.who, err)
		}
	}
	addr := store.Addr()
	store.Close()
	if _, err := u.DialAs(t.Context(), addr, &Credentials{User: "alice", Named: true, Password: "a"}); err == nil {
		t.Error("connected to nobody")
	} else if _, refused := Refusal(err); refused {
		t.Errorf("a store that is away is no refusal: %v", err)
	}
}

func TestRefusalIsTheStoresOwnWordOnly(t *testing.T) {
	for _, tc := range []struct {
		err  error
		text string
	}{
		{nil, ""},
		{errors.New("WRONGPASS"), ""},
		{fmt.Errorf("greet a:1: AUTH: %w", refusal("WRONGPASS no")), "WRONGPASS no"},
		{refusal("ERR invalid password"), "ERR invalid password"},
		{refusal("LOADING Redis is loading"), ""},
		{refusal("MASTERDOWN Link"), ""},
	} {
		if text, refused := Refusal(tc.err); refused != (tc.text != "") || refused && text != tc.text {
			t.Errorf("%v: %q, %v", tc.err, text, refused)
		}
	}
}

func TestOwnCredentialsAreTheConfiguredOnes(t *testing.T) {
	for _, tc := range []struct {
		user, password string // configured
		who            Credentials
		own            bool
	}{
		{"own", "pw", Credentials{User: "own", Named: true, Password: "pw"}, true},
		{"own", "pw", Credentials{User: "own", Named: true, Password: "another"}, false},
		{"own", "pw", Credentials{User: "default", Password: "pw"}, false},
		{"own", "pw", Credentials{User: "Own", Named: true, Password: "pw"}, false},
		{"", "pw", Credentials{User: "default", Password: "pw"}, true},
		{"", "pw", Credentials{User: "default", Named: true, Password: "pw"}, true},
		{"default", "pw", Credentials{User: "default", Password: "pw"}, true},
		{"", "pw", Credentials{User: "default", Password: "token of a namespace"}, false},
		{"", "pw", Credentials{User: "", Named: true, Password: "pw"}, false},
		{"", "", Credentials{User: "default", Password: "any"}, true},
		{"", "", Credentials{User: "alice", Named: true, Password: "any"}, false},
	} {
		u := new(Upstream)
		u.tuned.Store(&Config{Username: tc.user, Password: tc.password})
		if own := u.IsOwn(&tc.who); own != tc.own {
			t.Errorf("configured %q %q, %v with %q: %v", tc.user, tc.password, tc.who, tc.who.Password, own)
		}
	}
}

func TestCredentialsArePrintedWithoutThePassword(t *testing.T) {
	who := Credentials{User: "alice", Named: true, Password: "hunter2"}
	var out strings.Builder
	for _, value := range []any{who, &who, []Credentials{who}} {
		fmt.Fprintf(&out, "%v %+v %#v %s", value, value, value, value)
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			slog.New(handler).Info("x", "who", value)
		}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(text)
	}
	if strings.Contains(out.String(), "hunter2") {
		t.Error(out.String())
	}
}
