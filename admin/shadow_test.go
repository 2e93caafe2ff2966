package admin

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/admin/api"
)

func TestTheSecondStoresShareIsChangedAndShown(t *testing.T) {
	r := newRuleRig(t, "rollout: {shadow: {addresses: [\"new:6379\"], percent: 2}}\n")
	var shadow api.Shadow
	if r.answer(t, http.MethodGet, api.PathShadow, "", &shadow); shadow.Percent != 2 || shadow.Addresses[0] != "new:6379" || shadow.Compared["wrong"] != 0 {
		t.Errorf("at first %+v", shadow)
	}
	if r.answer(t, http.MethodPost, api.PathShadow, `{"percent": 12.5}`, &shadow); shadow.Percent != 12.5 {
		t.Errorf("after the change %+v", shadow)
	}
	var status api.Status
	if r.answer(t, http.MethodGet, api.PathStatus, "", &status); !status.SetByHand || status.Shadow == nil || status.Shadow.Percent != 12.5 {
		t.Errorf("the status: by hand %t, %+v", status.SetByHand, status.Shadow)
	}
	var cfg api.Config
	r.answer(t, http.MethodGet, api.PathConfig, "", &cfg)
	for _, o := range cfg.Options {
		if o.Key == "rollout.shadow.percent" && (o.Value != "12.5" || o.Origin != theAPI) {
			t.Errorf("the configuration says %s from %s", o.Value, o.Origin)
		}
	}
	const change = "second store: percent from 2 % to 12.5 %"
	if log := r.log.String(); !strings.Contains(log, change) || r.changes.list()[0].What != change {
		t.Errorf("remembered %v; the log says\n%s", r.changes.list(), log)
	}
	for _, body := range []string{``, `{}`, `{"percent": null}`, `{"percent": -1}`, `{"percent": 100.5}`, `{"percent": "1"}`, `{"share": 1}`} {
		if got := r.ask(http.MethodPost, api.PathShadow, body, nil); got.Code != http.StatusBadRequest {
			t.Errorf("%s gives %d %s", body, got.Code, got.Body)
		}
	}
	r.answer(t, http.MethodPost, api.PathShadow, `{"percent": 2}`, &shadow)
	status = api.Status{}
	if r.answer(t, http.MethodGet, api.PathStatus, "", &status); status.SetByHand {
		t.Error("changed back, the share is that of the configuration")
	}
}

func TestASecondStoreThatIsNotThereIsSaidSo(t *testing.T) {
	r := newRig(t, "", func(s *Sources) { s.Compared = nil })
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if got := r.ask(method, api.PathShadow, `{"percent": 1}`, nil); got.Code != http.StatusNotImplemented || !strings.Contains(got.Body.String(), "rollout.shadow.addresses") {
			t.Errorf("%s: %d %s", method, got.Code, got.Body)
		}
	}
	var status api.Status
	if r.answer(t, http.MethodGet, api.PathStatus, "", &status); status.Shadow != nil || status.SetByHand {
		t.Errorf("by hand %t, %+v", status.SetByHand, status.Shadow)
	}
}
