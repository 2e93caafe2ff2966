package admin

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/config"
)

func (r *rig) values(t *testing.T, query string) map[string]api.Value {
	t.Helper()
	var entity api.Entity
	r.answer(t, http.MethodGet, api.PathEntity+"?"+query, "", &entity)
	values := map[string]api.Value{}
	for _, v := range entity.Values {
		values[v.Field] = v
	}
	return values
}

func TestInvalidateKeepsWhatIsMeantFromBeingServedAndNothingElse(t *testing.T) {
	for _, c := range []struct {
		name, body string
		features   int
		unserved   []string // "entity field" of those no longer served
	}{
		{"a feature", `{"feature": "f1"}`, 1, []string{"st_1 f1", "st_2 f1"}},
		{"a pattern", `{"feature": "f[23]"}`, 2, []string{"st_1 f2", "st_2 f2", "st_2 f3"}},
		{"an entity", `{"entity": "st_2"}`, 0, []string{"st_2 f1", "st_2 f2", "st_2 f3"}},
		{"an entity in base64", `{"entity_base64": "c3RfMg=="}`, 0, []string{"st_2 f1", "st_2 f2", "st_2 f3"}},
		{"everything", `{"all": true}`, 3, []string{"st_1 f1", "st_1 f2", "st_2 f1", "st_2 f2", "st_2 f3"}},
	} {
		r := newRig(t, "", nil)
		var done api.Invalidated
		r.answer(t, http.MethodPost, api.PathInvalidate, c.body, &done)
		if done.Features != c.features {
			t.Errorf("%s: %d features were meant", c.name, done.Features)
		}
		for _, held := range []string{"st_1 f1", "st_1 f2", "st_2 f1", "st_2 f2", "st_2 f3"} {
			entity, field, _ := strings.Cut(held, " ")
			served := r.values(t, "key="+entity)[field].Served
			gone := strings.Contains(" "+strings.Join(c.unserved, ",")+",", held)
			if served == gone {
				t.Errorf("%s: %s is served: %t", c.name, held, served)
			}
		}
	}
}

func TestInvalidateWantsOneThing(t *testing.T) {
	r := newRig(t, "", nil)
	for _, body := range []string{
		``, `{}`, `{"all": false}`, `{"feature": "f1", "all": true}`, `{"feature": "f1", "entity": "st_1"}`,
		`{"entity": "st_1", "entity_base64": "c3RfMg=="}`, `{"entity_base64": "?"}`, `{"feature": "["}`, `{"fature": "f1"}`, `{"all": true} {"all": true}`, `[`,
	} {
		if got := r.ask(http.MethodPost, api.PathInvalidate, body, nil); got.Code != http.StatusBadRequest {
			t.Errorf("%s gives %d %s", body, got.Code, got.Body)
		}
	}
	if !r.values(t, "key=st_1")["f1"].Served {
		t.Error("a refused request invalidated something")
	}
}

func TestAnEntityThatIsNoTextIsFoundInBase64(t *testing.T) {
	r := newRig(t, "", nil)
	key := base64.StdEncoding.EncodeToString([]byte("\xff\xfe"))
	if held := r.values(t, url.Values{"key_base64": {key}}.Encode()); len(held) != 1 {
		t.Errorf("held: %v", held)
	}
	var hottest []api.Hot
	r.answer(t, http.MethodGet, api.PathHottest, "", &hottest)
	found := false
	for _, hot := range hottest {
		found = found || hot.EntityBase64 == key
	}
	if !found || len(hottest) != 3 {
		t.Errorf("hottest: %+v", hottest)
	}
}

func TestEveryChangeIsLoggedAndRememberedWithWhoAndWhat(t *testing.T) {
	r := newRig(t, "", nil)
	asCurl := header("User-Agent", "curl/8\n")
	for path, body := range map[string]string{
		api.PathMode: `{"mode": "off"}`, api.PathInvalidate: `{"feature": "f1"}`, api.PathFlush: ``, api.PathReload: ``,
	} {
		if got := r.ask(http.MethodPost, path, body, asCurl); got.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, got.Code, got.Body)
		}
	}
	log := r.log.String()
	for _, what := range []string{"mode from live to off", `invalidated feature \"f1\"`, "flushed 3 rows", "read the configuration again"} {
		if !strings.Contains(log, what) {
			t.Errorf("the log does not say %q:\n%s", what, log)
		}
	}
	if n := strings.Count(log, "from=127.0.0.1:54321"); n != 4 {
		t.Errorf("%d lines say from where:\n%s", n, log)
	}
	var changes []api.Change
	r.answer(t, http.MethodGet, api.PathChanges, "", &changes)
	if len(changes) != 4 || !strings.Contains(changes[0].By, "this machine") {
		t.Errorf("remembered: %+v", changes)
	}
	for range 2 * keptChanges {
		r.ask(http.MethodPost, api.PathFlush, "", nil)
	}
	if n := len(r.changes.list()); n != keptChanges {
		t.Errorf("%d changes are remembered", n)
	}
}

func TestAModeThatCannotBeIsRefusedAndTheOldStays(t *testing.T) {
	r := newRig(t, "", nil)
	for _, body := range []string{`{"mode": "fast"}`, `{"mode": ""}`, `{}`} {
		if got := r.ask(http.MethodPost, api.PathMode, body, nil); got.Code != http.StatusBadRequest {
			t.Errorf("%s gives %d %s", body, got.Code, got.Body)
		}
	}
	if r.mode != config.ModeLive || len(r.changes.list()) != 0 {
		t.Errorf("mode %s, changes %v", r.mode, r.changes.list())
	}
}

func TestInModeOffNothingWouldBeServed(t *testing.T) {
	r := newRig(t, "mode: off\n", nil)
	for field, v := range r.values(t, "key=st_1") {
		if v.Served || v.Why != "mode is off" {
			t.Errorf("%s: %+v", field, v)
		}
	}
}
