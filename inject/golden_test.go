package inject

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write what comes out into the golden files")

// testVersion marks what the tests inject.
const testVersion = "v0.0.0-test"

// shape is a file of Pods with what it says of itself in its first comments:
// "# flags: --sidecar=container --option cache.max_age=1m" and
// "# asked by the namespace".
type shape struct {
	name  string
	text  []byte
	cfg   Config
	asker Asker
}

func shapes(t *testing.T) (all []shape) {
	t.Helper()
	paths, err := filepath.Glob("testdata/pods/*.in.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatal("no shapes", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		s := shape{name: strings.TrimSuffix(filepath.Base(path), ".in.yaml"), text: text, cfg: Config{
			Version: testVersion, Settings: map[string]string{}, Options: map[string]string{},
		}}
		for line := range strings.Lines(string(text)) {
			if rest, found := strings.CutPrefix(line, "# flags: "); found {
				s.flags(t, strings.Fields(strings.ReplaceAll(rest, "--option ", "--option ")))
			}
			if strings.HasPrefix(line, "# asked by the namespace") {
				s.asker = ByNamespace
			}
		}
		all = append(all, s)
	}
	return all
}

func (s *shape) flags(t *testing.T, words []string) {
	t.Helper()
	for i := 0; i < len(words); i++ {
		target, word := s.cfg.Settings, strings.TrimPrefix(words[i], "--")
		if word == "option" {
			i++
			target, word = s.cfg.Options, words[i]
		}
		name, value, found := strings.Cut(word, "=")
		if !found {
			t.Fatalf("%s: flag %s has no value", s.name, word)
		}
		target[name] = value
	}
}

func (s *shape) injector(t *testing.T) *Injector {
	t.Helper()
	in, err := New(s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// render is the golden file of a shape: what is said about it, then what it
// becomes.
func (s *shape) render(t *testing.T) []byte {
	t.Helper()
	var out, rendered bytes.Buffer
	notes, err := s.injector(t).Render(&rendered, s.text, s.asker)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	for _, n := range notes {
		kind := "warning"
		if n.Refused {
			kind = "refused"
		}
		fmt.Fprintf(&out, "# %s: %s: %s\n", kind, n.Object, n.Text)
	}
	if bytes.Equal(rendered.Bytes(), s.text) {
		out.WriteString("# the Pod stays as it is\n")
		return out.Bytes()
	}
	out.Write(rendered.Bytes())
	return out.Bytes()
}

func TestEachShapeOfPodBecomesWhatItsGoldenFileSays(t *testing.T) {
	for _, s := range shapes(t) {
		golden := filepath.Join("testdata", "pods", s.name+".out.yaml")
		got := s.render(t)
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: another outcome than the golden file's (go test ./inject -update writes it); got:\n%s", s.name, got)
		}
	}
}

func TestWhatWasRenderedIsNotChangedAgain(t *testing.T) {
	for _, s := range shapes(t) {
		in := s.injector(t)
		var once, twice bytes.Buffer
		if _, err := in.Render(&once, s.text, s.asker); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Render(&twice, once.Bytes(), s.asker); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Errorf("%s: a second rendering changes it:\n%s", s.name, twice.Bytes())
		}
	}
}

// The patch is what the API server gets, so it has to come to the very Pod that
// was meant, with whatever the injector does not know.
func TestThePatchMakesTheOutcomeOfTheOriginal(t *testing.T) {
	for _, s := range shapes(t) {
		original := firstPod(t, s.text)
		if original == nil {
			continue
		}
		before := clone(original)
		outcome := s.injector(t).Inject(original, s.asker)
		if !reflect.DeepEqual(before, any(original)) {
			t.Errorf("%s: the original was changed", s.name)
		}
		if got := applied(t, original, difference(original, outcome.Pod)); !sameJSON(t, got, outcome.Pod) {
			t.Errorf("%s: the patch makes another Pod:\n%v\n%v", s.name, got, outcome.Pod)
		}
		if again := s.injector(t).Inject(outcome.Pod, s.asker); again.Injected {
			t.Errorf("%s: injected twice", s.name)
		}
		checkUntouched(t, s.name, original, outcome)
	}
}

// checkUntouched takes away what the injector adds and wants the rest to be as
// it was, but for the variables.
func checkUntouched(t *testing.T, name string, original object, outcome Outcome) {
	t.Helper()
	for _, op := range difference(original, outcome.Pod) {
		switch {
		case strings.HasPrefix(op.Path, "/metadata/annotations"), strings.Contains(op.Path, "/env"):
		case op.Op == "add" && (strings.HasPrefix(op.Path, "/spec/volumes") || strings.HasPrefix(op.Path, "/spec/initContainers") || op.Path == "/spec/containers/0" || strings.Contains(op.Path, "/volumeMounts")):
		default:
			t.Errorf("%s: touches %s (%s)", name, op.Path, op.Op)
		}
		if outcome.Refused && !strings.HasPrefix(op.Path, "/metadata/annotations") {
			t.Errorf("%s: refused, and yet changes %s", name, op.Path)
		}
	}
}

// firstPod is a file's Pod, or nil where it holds something else.
func firstPod(t *testing.T, text []byte) object {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil
	}
	o, err := decodeObject(asJSON)
	if err != nil || o["kind"] != "Pod" {
		return nil
	}
	return o
}

// applied carries a patch out by the code that renders, which shares nothing
// with the code that makes patches.
func applied(t *testing.T, original object, patch []Operation) object {
	t.Helper()
	asYAML, err := yaml.Marshal(original)
	if err != nil {
		t.Fatal(err)
	}
	var root yamlv3.Node
	if err := yamlv3.Unmarshal(asYAML, &root); err != nil {
		t.Fatal(err)
	}
	for _, op := range patch {
		if err := applyYAML(root.Content[0], op); err != nil {
			t.Fatalf("%+v: %v", op, err)
		}
	}
	back, err := yamlv3.Marshal(&root)
	if err != nil {
		t.Fatal(err)
	}
	return firstPod(t, back)
}

func sameJSON(t *testing.T, a, b any) bool {
	t.Helper()
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	if errX != nil || errY != nil {
		t.Fatal(errX, errY)
	}
	return bytes.Equal(x, y)
}
