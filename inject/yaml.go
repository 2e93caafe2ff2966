package inject

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

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
