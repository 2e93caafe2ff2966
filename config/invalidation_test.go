package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestMarkersArePolledByDefaultAndAnEmptyListSwitchesThemOff(t *testing.T) {
	want := []Marker{{
		Key: "fs:markers", Interval: 5 * time.Second, Settle: 10 * time.Second, Covers: []string{"*"},
		MaxSilence: time.Minute, OnLoss: OnLossBypass,
	}}
	if got := Default().Invalidation.Markers; !reflect.DeepEqual(got, want) {
		t.Errorf("by default %+v, want %+v", got, want)
	}
	for name, src := range map[string]Sources{
		"file":     {File: writeFile(t, "fsproxy.yaml", "invalidation: {markers: []}")},
		"variable": {Environ: []string{"FSPROXY_INVALIDATION_MARKERS="}},
	} {
		if got := load(t, src).Invalidation.Markers; len(got) != 0 {
			t.Errorf("%s: an empty list is %+v", name, got)
		}
	}
	named := load(t, Sources{Environ: []string{"FSPROXY_INVALIDATION_MARKERS=a,b"}}).Invalidation.Markers
	if len(named) != 2 || named[1].Key != "b" || named[1].Settle != 10*time.Second {
		t.Errorf("keys alone are %+v", named)
	}
}

const wholeInvalidation = `
invalidation:
  markers:
    - {key: m, interval: 1s, settle: 2s, covers: ["batch_*", "age"], version_field: _v, max_silence: 10s, on_loss: serve, serve_for: 5m}
  kafka:
    brokers: ["127.0.0.1:9092", "b:9092"]
    settle: 3s
    check_interval: 500ms
    refresh_interval: 20s
    topics:
      - {name: updates, format: protobuf, apply: update, covers: ["rt_*"], max_lag: 10s, on_loss: flush, rewind: 1h}
      - name: uploads
        format: markers
  tracking: {enabled: true, prefixes: ["st_", "u_"], settle: 1500ms, max_silence: 20s, on_loss: bypass}
  stale_while_revalidate: 2s
`

func TestTheWholeOfInvalidationIsReadAndPrinted(t *testing.T) {
	cfg := load(t, Sources{File: writeFile(t, "fsproxy.yaml", wholeInvalidation)})
	want := Invalidation{
		Markers: []Marker{{
			Key: "m", Interval: time.Second, Settle: 2 * time.Second, Covers: []string{"batch_*", "age"}, VersionField: "_v",
			MaxSilence: 10 * time.Second, OnLoss: OnLossServe, ServeFor: 5 * time.Minute,
		}},
		Kafka: Kafka{
			Brokers: []string{"127.0.0.1:9092", "b:9092"}, Settle: 3 * time.Second,
			CheckInterval: 500 * time.Millisecond, RefreshInterval: 20 * time.Second,
			Topics: []Topic{
				{Name: "updates", Format: FormatProtobuf, Apply: ApplyUpdate, Covers: []string{"rt_*"}, MaxLag: 10 * time.Second, OnLoss: OnLossFlush, Rewind: time.Hour},
				{Name: "uploads", Format: FormatMarkers, Apply: ApplyEvict, Covers: []string{"*"}, MaxLag: 30 * time.Second, OnLoss: OnLossBypass},
			},
		},
		Tracking:             Tracking{Enabled: true, Prefixes: []string{"st_", "u_"}, Settle: 1500 * time.Millisecond, MaxSilence: 20 * time.Second, OnLoss: OnLossBypass},
		StaleWhileRevalidate: 2 * time.Second,
	}
	if !reflect.DeepEqual(cfg.Invalidation, want) {
		t.Errorf("read\n%+v\nwant\n%+v", cfg.Invalidation, want)
	}
	again := load(t, Sources{File: writeFile(t, "again.yaml", cfg.String())})
	if !reflect.DeepEqual(again.Invalidation, want) {
		t.Errorf("printed\n%s\nloaded\n%+v", cfg, again.Invalidation)
	}
}

func TestEachProblemOfInvalidationNamesTheThingAndTheFix(t *testing.T) {
	const brokers = "brokers: ['b:1'], "
	for name, c := range map[string]struct{ section, want, fix string }{
		"topics alone":      {"kafka: {topics: [{name: t}]}", "invalidation.kafka.topics", "invalidation.kafka.brokers beside it"},
		"brokers alone":     {"kafka: {brokers: ['b:1']}", "invalidation.kafka.brokers", "invalidation.kafka.topics beside it"},
		"endless serve":     {"markers: [{key: m, on_loss: serve}]", "invalidation.markers[0].on_loss", "serve_for beside it"},
		"idle serve_for":    {"kafka: {" + brokers + "topics: [{name: t, serve_for: 1m}]}", "topics[0].serve_for", "on_loss serve beside it"},
		"serving tracking":  {"tracking: {on_loss: serve}", "invalidation.tracking.on_loss", "serve_for beside it"},
		"values of markers": {"kafka: {" + brokers + "topics: [{name: t, format: markers, apply: update}]}", "topics[0].apply", "evict with format markers"},
		"format":            {"kafka: {" + brokers + "topics: [{name: t, format: avro}]}", `topics[0].format = "avro"`, "json, resp, protobuf or markers"},
		"loss":              {"markers: [{key: m, on_loss: ignore}]", `markers[0].on_loss = "ignore"`, "bypass, serve or flush"},
		"pattern":           {"markers: [{key: m, covers: ['a[']}]", "markers[0].covers[0]", "a feature's name"},
		"covers of one":     {"markers: [{key: m, covers: a}]", "markers[0].covers", "a list"},
		"covers of none":    {"markers: [{key: m, covers: []}]", "markers[0].covers", "one or more"},
		"key twice":         {"markers: [{key: m}, {key: m}]", "markers[1].key", "each hash once"},
		"no key":            {"markers: [{key: ''}]", "markers[0].key", "the key of a hash"},
		"short silence":     {"markers: [{key: m, interval: 40s}]", "markers[0].max_silence", "at least twice the interval, which is 40s"},
		"short lag":         {"kafka: {" + brokers + "check_interval: 20s, topics: [{name: t}]}", "topics[0].max_lag", "check_interval, which is 20s"},
		"topic twice":       {"kafka: {" + brokers + "topics: [{name: t}, {name: t}]}", "topics[1].name", "each topic once"},
		"topic's name":      {"kafka: {" + brokers + "topics: [{name: 'a b'}]}", "topics[0].name", "letters, digits"},
		"broker":            {"kafka: {brokers: [b], topics: [{name: t}]}", "kafka.brokers[0]", "host:port"},
		"idle user":         {"kafka: {sasl: {username: u}}", "kafka.sasl.username", "mechanism beside it"},
		"lone mechanism":    {"kafka: {sasl: {mechanism: plain}}", "kafka.sasl.mechanism", "username and password_file beside it"},
		"mechanism":         {"kafka: {sasl: {mechanism: gssapi}}", "kafka.sasl.mechanism", "plain, scram-sha-256 or scram-sha-512"},
		"no password":       {"kafka: {sasl: {mechanism: plain, username: u, password_file: /no/such}}", "kafka.sasl.password_file", "a readable file"},
		"idle tls":          {"kafka: {tls: {ca_file: /ca}}", "kafka.tls.ca_file", "invalidation.kafka.tls.enabled true beside it"},
		"prefixes":          {"tracking: {prefixes: [a, b, ab]}", "tracking.prefixes[2]", "none of which begins another"},
		"same prefixes":     {"tracking: {prefixes: [a, a]}", "tracking.prefixes[1]", "none of which begins another"},
	} {
		_, err := Load(Sources{File: writeFile(t, "fsproxy.yaml", "invalidation: {"+c.section+"}")})
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		if text := err.Error(); strings.Count(text, "\n") != 0 || !strings.Contains(text, c.want) || !strings.Contains(text, c.fix) {
			t.Errorf("%s: %q does not name %q and %q on one line", name, text, c.want, c.fix)
		}
	}
}

func TestThePasswordOfKafkaIsReadAndNeverPrinted(t *testing.T) {
	secret := writeFile(t, "password", "hunter2\n")
	cfg := load(t, Sources{File: writeFile(t, "fsproxy.yaml", `
invalidation: {kafka: {brokers: ["b:1"], topics: [{name: t}], sasl: {mechanism: scram-sha-512, username: u, password_file: `+secret+`}}}`)})
	password, given := cfg.Invalidation.Kafka.SASL.Password()
	if password != "hunter2" || !given {
		t.Errorf("read %q, %v", password, given)
	}
	if strings.Contains(cfg.String(), "hunter2") {
		t.Error("the password is printed")
	}
}
