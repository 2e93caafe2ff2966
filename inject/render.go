package inject

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// templates are the paths at which workloads keep the Pod they make, the more
// deeply nested first.
var templates = [][]string{
	{"spec", "jobTemplate", "spec", "template"}, // CronJob
	{"spec", "template"},                        // Deployment, StatefulSet, DaemonSet, Job, Rollout …
	{"template"},                                // PodTemplate
}

// Notes of a document, for whoever renders it.
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

// errNotPatchable is a document whose YAML says one thing in several places.
var errNotPatchable = errors.New("the document has anchors or merges")

// patchYAML applies a patch to the text of a document, whose order, comments
// and spelling stay as they are.
func patchYAML(document []byte, patch []Operation) ([]byte, error) {
	var root yamlv3.Node
	if err := yamlv3.Unmarshal(document, &root); err != nil {
		return nil, fmt.Errorf("read YAML: %w", err)
	}
	if hasAnchors(&root) || len(root.Content) != 1 {
		return nil, errNotPatchable
	}
	for _, op := range patch {
		if err := applyYAML(root.Content[0], op); err != nil {
			return nil, fmt.Errorf("change %s: %w", op.Path, err)
		}
	}
	var out bytes.Buffer
	if bytes.HasPrefix(document, []byte("---")) {
		out.WriteString("---\n")
	}
	encoder := yamlv3.NewEncoder(&out)
	encoder.SetIndent(yamlIndent)
	encoder.CompactSeqIndent()
	if err := encoder.Encode(&root); err != nil {
		return nil, fmt.Errorf("write YAML: %w", err)
	}
	return out.Bytes(), nil
}

// yamlIndent, in spaces, is what manifests have.
const yamlIndent = 2

func hasAnchors(n *yamlv3.Node) bool {
	if n.Kind == yamlv3.AliasNode || n.Anchor != "" {
		return true
	}
	for _, c := range n.Content {
		if hasAnchors(c) {
			return true
		}
	}
	return false
}

// applyYAML carries out one step of a patch.
func applyYAML(root *yamlv3.Node, op Operation) error {
	parts := strings.Split(strings.TrimPrefix(op.Path, "/"), "/")
	at := root
	for _, part := range parts[:len(parts)-1] {
		next, err := childOf(at, unescape(part))
		if err != nil {
			return err
		}
		at = next
	}
	last := unescape(parts[len(parts)-1])
	if at.Kind == yamlv3.SequenceNode {
		return applyToSequence(at, last, op)
	}
	return applyToMapping(at, last, op)
}

func childOf(n *yamlv3.Node, name string) (*yamlv3.Node, error) {
	if n.Kind == yamlv3.SequenceNode {
		i, err := between(name, 0, len(n.Content)-1)
		if err != nil {
			return nil, fmt.Errorf("no element %s", name)
		}
		return n.Content[i], nil
	}
	if i := keyIndex(n, name); i >= 0 {
		return n.Content[i+1], nil
	}
	return nil, fmt.Errorf("no field %s", name)
}

// keyIndex is where a mapping has a key, or -1.
func keyIndex(n *yamlv3.Node, name string) int {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return i
		}
	}
	return -1
}

func applyToSequence(n *yamlv3.Node, name string, op Operation) error {
	i, err := between(name, 0, len(n.Content))
	if err != nil {
		return err
	}
	value, err := yamlValue(op.Value)
	if err != nil {
		return err
	}
	n.Style = 0 // a list in brackets would be one long line
	switch {
	case op.Op == "add":
		n.Content = append(n.Content[:i:i], append([]*yamlv3.Node{value}, n.Content[i:]...)...)
	case op.Op == "replace" && i < len(n.Content):
		n.Content[i] = value
	default:
		return fmt.Errorf("cannot %s element %d of %d", op.Op, i, len(n.Content))
	}
	return nil
}

func applyToMapping(n *yamlv3.Node, name string, op Operation) error {
	i := keyIndex(n, name)
	if op.Op == "remove" {
		if i < 0 {
			return fmt.Errorf("no field %s", name)
		}
		n.Content = append(n.Content[:i:i], n.Content[i+2:]...)
		return nil
	}
	value, err := yamlValue(op.Value)
	if err != nil {
		return err
	}
	if i < 0 {
		n.Style = 0
		key := &yamlv3.Node{Kind: yamlv3.ScalarNode}
		key.SetString(name)
		n.Content = append(n.Content, key, value)
		return nil
	}
	value.LineComment, value.HeadComment, value.FootComment = n.Content[i+1].LineComment, n.Content[i+1].HeadComment, n.Content[i+1].FootComment
	n.Content[i+1] = value
	return nil
}

// yamlValue makes a node of a value of JSON.
func yamlValue(value any) (*yamlv3.Node, error) {
	asYAML, err := yaml.Marshal(value)
	if err != nil {
		return nil, err
	}
	var document yamlv3.Node
	if err := yamlv3.Unmarshal(asYAML, &document); err != nil {
		return nil, err
	}
	leadersFirst(document.Content[0])
	return document.Content[0], nil
}

// leaders are the fields that a reader looks for first.
var leaders = []string{"name", "image", "restartPolicy", "args"}

// leadersFirst brings those to the front, which the alphabet does not.
func leadersFirst(n *yamlv3.Node) {
	for _, c := range n.Content {
		leadersFirst(c)
	}
	if n.Kind != yamlv3.MappingNode {
		return
	}
	for _, name := range slices.Backward(leaders) {
		if i := keyIndex(n, name); i > 0 {
			pair := slices.Clone(n.Content[i : i+2])
			n.Content = append(pair, slices.Delete(n.Content, i, i+2)...)
		}
	}
}
