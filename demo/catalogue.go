package demo

import (
	"fmt"
	"strings"

	"github.com/fsproxy/fsproxy/feature"
)

// Catalogue names the features, so that the page and the metrics do.
func (d *Data) Catalogue() (*feature.Catalogue, error) {
	var text strings.Builder
	text.WriteString("features:\n")
	for _, k := range d.kinds {
		for _, f := range k.features {
			fmt.Fprintf(&text, "  - {name: %s, %s, source: %s}\n", f.Name, f.form.definition(), f.source())
		}
	}
	catalogue, err := feature.Parse("the demo's catalogue", []byte(text.String()))
	if err != nil {
		return nil, fmt.Errorf("naming the demo's features: %w", err)
	}
	return catalogue, nil
}

// source is where the feature's values come from, in the catalogue's words.
func (f *Feature) source() string {
	if strings.HasPrefix(f.Name, realtime) {
		return "realtime"
	}
	return "batch"
}

// definition says in the catalogue's words how values of a form look.
func (f form) definition() string {
	switch f {
	case count:
		return "type: int"
	case embedding:
		return fmt.Sprintf("type: embedding, dimension: %d, encoding: raw", embeddingLength)
	default:
		return "type: float"
	}
}
