package importer

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/codec"
)

// registry is what of `feast registry-dump` matters here. Views on demand are
// computed, not stored.
type registry struct {
	FeatureViews       []feastView `json:"featureViews"`
	StreamFeatureViews []feastView `json:"streamFeatureViews"`
}

type feastView struct {
	Spec struct {
		Name         string          `json:"name"`
		Online       bool            `json:"online"`
		StreamSource json.RawMessage `json:"streamSource"` // views that are pushed to
		Features     []struct {
			Name         string          `json:"name"`
			ValueType    codec.FeastType `json:"valueType"`
			VectorLength int             `json:"vectorLength"`
		} `json:"features"`
	} `json:"spec"`
}

// FromFeast makes a draft of a Feast registry, as `feast registry-dump` prints
// it: a group for each feature view.
func FromFeast(in io.Reader) (*Draft, error) {
	var dump registry
	if err := json.NewDecoder(in).Decode(&dump); err != nil {
		return nil, fmt.Errorf("read the registry: %w; give what `feast registry-dump` prints", err)
	}
	d := &Draft{Scheme: feature.Feast}
	for _, view := range dump.FeatureViews {
		source := feature.Batch
		if len(view.Spec.StreamSource) > 0 {
			source = feature.Realtime
		}
		d.addView(view, source)
	}
	for _, view := range dump.StreamFeatureViews {
		d.addView(view, feature.Realtime)
	}
	if len(d.Features) == 0 {
		return nil, fmt.Errorf("the registry has no feature view that is online; give what `feast registry-dump` prints, of the project meant")
	}
	return d, nil
}

func (d *Draft) addView(view feastView, source feature.Source) {
	name := view.Spec.Name
	if !view.Spec.Online {
		d.note("the view %s is not online: left out", name)
		return
	}
	d.addGroup(Group{Name: name, Source: source})
	for _, f := range view.Spec.Features {
		made := Feature{Name: name + ":" + f.Name, Group: name}
		kind, known := codec.TypeOfFeast(f.ValueType)
		switch {
		case !known:
			made.Type, made.Encoding = codec.Bytes, codec.Raw
			d.note("%s has Feast's type %s, which is not decoded: listed as bytes", made.Name, f.ValueType)
		case kind == codec.FloatList && f.VectorLength > 0:
			made.Type = codec.Embedding
			_ = made.plain("dimension", strconv.Itoa(f.VectorLength)) // a number is YAML
		default:
			made.Type = kind
		}
		if known && codec.FeastTypeOf(made.Type) != f.ValueType {
			made.FeastType = f.ValueType
		}
		d.Features = append(d.Features, made)
	}
}
