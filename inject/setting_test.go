package inject

import (
	"regexp"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/config"
)

// qualifiedName is the form of an annotation's name behind its prefix.
var qualifiedName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)

func TestEachSettingAndOptionIsAnAnnotationOfItsOwn(t *testing.T) {
	seen := map[string]bool{"injected": true, "not-injected": true}
	for _, name := range annotationNames() {
		if !qualifiedName.MatchString(name) {
			t.Errorf("%s is not the name of an annotation", name)
		}
		if seen[name] {
			t.Errorf("%s means two things", name)
		}
		seen[name] = true
	}
	for _, o := range config.Options() {
		if !strings.Contains(MarkdownTable(), "`"+Prefix+o.Key+"`") {
			t.Errorf("%s is not in the table of annotations", o.Key)
		}
	}
}

func TestSettingsRefuseWhatTheyDoNotTake(t *testing.T) {
	rows := map[string]setting{}
	for _, row := range settingTable() {
		rows[row.name] = row
		if row.initial != "" && row.read(new(settings), row.initial) != nil {
			t.Errorf("%s does not take its own default", row.name)
		}
	}
	for _, c := range []struct{ name, good, bad string }{
		{"address-env", "A,B;C", "A,B,C"},
		{"address-env", "A", ";"},
		{"address-env", "A_1", "A B"},
		{"config", "a.b-c", "A"},
		{"secret", "a", ""},
		{"port", "6379", "80"},
		{"port", "65535", "65536"},
		{"socket", "true", "yes"},
		{"sidecar", "container", "sidecar"},
		{"image", "example/a:1", "a b"},
		{"image-pull-policy", "Never", "never"},
		{"memory", "32Mi", "31Mi"},
		{"memory", "1.5Gi", "1e9"},
		{"memory", "64000000", "-1Gi"},
		{"cpu", "100m", "0"},
		{"cpu", "2", "NaN"},
		{"cpu-limit", "1", "1x"},
		{"gomaxprocs", "0", "-1"},
		{"probe", "none", "tcp"},
		{"prometheus", "false", ""},
		{"run-as-user", "0", "1337"},
		{"run-as-user", "1000", "root"},
	} {
		if err := rows[c.name].read(new(settings), c.good); err != nil {
			t.Errorf("%s = %q: %v", c.name, c.good, err)
		}
		if err := rows[c.name].read(new(settings), c.bad); err == nil {
			t.Errorf("%s takes %q", c.name, c.bad)
		}
	}
}

func TestAnInjectorNamesAllThatIsWrongWithItsConfiguration(t *testing.T) {
	_, err := New(Config{
		Settings: map[string]string{"memory": "x", "port": "y"},
		Options:  map[string]string{"cache.max_age": "z", "cache.max_byte": "1MiB"},
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, part := range []string{"--memory", "--port", "--option cache.max_age", "did you mean cache.max_bytes?"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in %v", part, err)
		}
	}
}

// An annotation must not make the injector read its own machine's files.
func TestFilesThatAnnotationsNameAreNotReadHere(t *testing.T) {
	in, err := New(Config{Version: testVersion})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"/etc/passwd", "/dev/zero", "/proc/self/environ", "/../dev/null"} {
		p := firstPod(t, []byte(`{kind: Pod, metadata: {labels: {fsproxy.io/inject: "true"}, annotations: {
			fsproxy.io/upstream: "a:1", fsproxy.io/upstream.password_file: "`+file+`", fsproxy.io/upstream.tls.enabled: "true", fsproxy.io/upstream.tls.ca_file: "`+file+`"}},
			spec: {containers: [{name: a}]}}`))
		// Each of them would be a fault, were it read.
		if outcome := in.Inject(p, ByPod); !outcome.Injected {
			t.Errorf("%s: %s", file, outcome.Reason)
		}
	}
}

func TestQuantitiesAreWhatKubernetesTakesThemFor(t *testing.T) {
	for text, whole := range map[string]int64{"1": 1, "1k": 1000, "1Ki": 1024, "256Mi": 256 << 20, "1.5Gi": 3 << 29, "2000m": 2, "1G": 1e9} {
		if q, err := parseQuantity(text); err != nil || q.whole() != whole {
			t.Errorf("%s: %d, %v", text, q.whole(), err)
		}
	}
	if !equalQuantities("2", "2000m") || !equalQuantities("1Gi", "1024Mi") || equalQuantities("1G", "1Gi") || equalQuantities("x", "x") {
		t.Error("spellings of one amount are not one")
	}
}
