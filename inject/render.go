package inject

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"sigs.k8s.io/yaml"
)

// templates are the paths at which workloads keep the Pod they make, the more
// deeply nested first.
var templates = [][]string{
	{"spec", "jobTemplate", "spec", "template"}, // CronJob
	{"spec", "template"},                        // Deployment, StatefulSet, DaemonSet, Job, Rollout …
	{"template"},                                // PodTemplate
}

// Note is what is to be said of a document, to whoever renders it.
type Note struct {
	Object  string // "Deployment prediction"
	Refused bool
	Text    string
}

// Render injects into the Pods, and the templates of Pods, of a stream of YAML
// documents. Documents that do not change are written as they were read, byte
// by byte; others keep their order and comments. A refusal is a note, and
// leaves its document as it was.
func (in *Injector) Render(out io.Writer, stream []byte, asker Asker) ([]Note, error) {
	var notes []Note
	for i, document := range splitDocuments(stream) {
		rendered, more, err := in.renderDocument(document, asker)
		if err != nil {
			return notes, fmt.Errorf("document %d: %w", i+1, err)
		}
		notes = append(notes, more...)
		if _, err := out.Write(rendered); err != nil {
			return notes, fmt.Errorf("write what was rendered: %w", err)
		}
	}
	return notes, nil
}

// splitDocuments cuts at the lines that begin with "---", which stay with what
// follows them.
func splitDocuments(stream []byte) (documents [][]byte) {
	start := 0
	for at := 0; at < len(stream); {
		end := len(stream)
		if n := bytes.IndexByte(stream[at:], '\n'); n >= 0 {
			end = at + n + 1
		}
		if bytes.HasPrefix(stream[at:end], []byte("---")) && at > start {
			documents = append(documents, stream[start:at])
			start = at
		}
		at = end
	}
	return append(documents, stream[start:])
}

func (in *Injector) renderDocument(document []byte, asker Asker) ([]byte, []Note, error) {
	asJSON, err := yaml.YAMLToJSON(document)
	if err != nil {
		return nil, nil, fmt.Errorf("read YAML: %w", err)
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(asJSON))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, nil, fmt.Errorf("read YAML: %w", err)
	}
	root, isObject := value.(object)
	if !isObject {
		return document, nil, nil // empty, or only comments
	}
	changed, notes := in.renderObject(root, asker)
	patch := difference(root, changed)
	if len(patch) == 0 {
		return document, notes, nil
	}
	rendered, err := patchYAML(document, patch)
	if errors.Is(err, errNotPatchable) {
		rendered, err = yaml.Marshal(changed)
		if bytes.HasPrefix(document, []byte("---")) {
			rendered = append([]byte("---\n"), rendered...)
		}
	}
	return rendered, notes, err
}

// renderObject injects into one object, or into each of a List.
func (in *Injector) renderObject(root object, asker Asker) (object, []Note) {
	var notes []Note
	changed := clone(root).(object)
	if list, isList := changed["items"].([]any); isList && strings.HasSuffix(text(root, "kind"), "List") {
		for i, item := range list {
			if item, isObject := item.(object); isObject {
				inside, more := in.renderObject(item, asker)
				list[i], notes = inside, append(notes, more...)
			}
		}
		return changed, notes
	}
	name := strings.TrimSpace(text(root, "kind") + " " + text(inner(root, "metadata"), "name"))
	for _, path := range templates {
		if template := inner(changed, path...); inner(template, "spec")["containers"] != nil {
			outcome := in.Inject(template, asker)
			if !outcome.Refused {
				inner(changed, path[:len(path)-1]...)[path[len(path)-1]] = outcome.Pod
			}
			return changed, notesOf(name, outcome)
		}
	}
	if text(root, "kind") != "Pod" {
		return changed, nil
	}
	outcome := in.Inject(changed, asker)
	if outcome.Refused {
		return changed, notesOf(name, outcome)
	}
	return outcome.Pod, notesOf(name, outcome)
}

func notesOf(name string, outcome Outcome) (notes []Note) {
	for _, w := range outcome.Warnings {
		notes = append(notes, Note{Object: name, Refused: outcome.Refused, Text: w})
	}
	return notes
}
