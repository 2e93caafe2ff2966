package admin

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/resp"
	"github.com/fsproxy/fsproxy/warm/peer"
	"github.com/fsproxy/fsproxy/warm/snapshot"
)

// giving has a rig give its rows, to whoever is as it is.
func giving(s *Sources) {
	clock := snapshot.NewClock()
	s.Giver = peer.NewGiver(peer.GiverConfig{
		Cache: s.Cache, Clock: clock, Ready: func() bool { return true }, MaxBytes: 1 << 30,
		Checkpoints: func() map[int][]byte { return nil }, Identity: func() string { return "same" },
	})
}

// Values leave the process for those alone who present the token, this machine
// included, and only where that was configured.
func TestRowsAreForWhoeverPresentsTheToken(t *testing.T) {
	if snapshot.NewClock().Boot == "" {
		t.Skip("this system does not tell when it was started")
	}
	token := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+rigToken) }
	for name, c := range map[string]struct {
		yaml   string
		giver  func(*Sources)
		path   string
		change func(*http.Request)
		want   int
	}{
		"with the token":         {withToken(t), giving, "?identity=same", token, http.StatusOK},
		"from this machine":      {withToken(t), giving, "?identity=same", nil, http.StatusUnauthorized},
		"another token":          {withToken(t), giving, "?identity=same", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, http.StatusUnauthorized},
		"no token is configured": {"", giving, "?identity=same", nil, http.StatusUnauthorized},
		"not configured":         {withToken(t), nil, "?identity=same", token, http.StatusForbidden},
		"of another process":     {withToken(t), giving, "?identity=other", token, http.StatusConflict},
		"of nobody":              {withToken(t), giving, "", token, http.StatusConflict},
	} {
		t.Run(name, func(t *testing.T) {
			got := newRig(t, c.yaml, c.giver).ask(http.MethodGet, api.PathRows+c.path, "", c.change)
			if sent := strings.HasPrefix(got.Body.String(), "fsp-warm"); got.Code != c.want || sent != (c.want == http.StatusOK) {
				t.Errorf("%d, %.100q", got.Code, got.Body)
			}
		})
	}
}

// What is hot ends with a line that says so, so that a follower knows when it is
// warm.
func TestWhatIsHotHasAnEnd(t *testing.T) {
	got := newRig(t, "", nil).ask(http.MethodGet, api.PathWarm, "", nil)
	var entities []string
	told := 0
	for text := range strings.Lines(got.Body.String()) {
		var line api.WarmLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		switch {
		case line.Told:
			told++
		case len(line.Entity) > 0:
			if told > 0 {
				t.Error("an entity comes after the end")
			}
			entities = append(entities, string(line.Entity))
		}
	}
	slices.Sort(entities)
	if !slices.Equal(entities, []string{"st_1", "st_2", "\xff\xfe"}) || told != 1 {
		t.Errorf("entities %q, told %d times", entities, told)
	}
}

// A projection that is hot is named with the view of those who ask for it.
func TestWhatIsHotIsToldWithItsView(t *testing.T) {
	r := newRig(t, "", nil)
	view := cache.View{Decoded: true, Defaults: true}
	p := r.cache.ProjectionIn(view, []byte("$1\r\ng\r\n"), [][]byte{[]byte("g")})
	frame := []byte("$1\r\nv\r\n")
	r.cache.Fill([]byte("st_3"), &cache.Fetched{Projection: p, Positions: []int32{0}, Frame: frame, Ends: []int{0, len(frame)}, Began: 1}, resp.V2)
	views := make(map[string]cache.View)
	for text := range strings.Lines(r.ask(http.MethodGet, api.PathWarm, "", nil).Body.String()) {
		var line api.WarmLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		if len(line.Fields) > 0 {
			views[string(bytes.Join(line.Fields, []byte(" ")))] = cache.ViewOf(line.View)
		}
	}
	if want := map[string]cache.View{"g": view, "f1": {}, "f1 f2": {}, "f1 f2 f3": {}}; !maps.Equal(views, want) {
		t.Errorf("told %v, want %v", views, want)
	}
}
