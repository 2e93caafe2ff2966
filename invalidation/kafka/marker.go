package kafka

import (
	"bytes"
	"encoding/json"
)

// markerParser reads markers of uploads. Which feature or group one is of is the
// record's key, or is said in the value: {"feature": "…"} or {"features": ["…"]}.
// Any other value is the uploader's own business, as in a hash of markers.
type markerParser struct{}

type jsonMarker struct {
	Feature  string   `json:"feature"`
	Features []string `json:"features"`
}

func (markerParser) parse(value []byte) (change, error) {
	value = bytes.TrimSpace(value)
	if len(value) == 0 || value[0] != '{' {
		return change{}, nil
	}
	var read jsonMarker
	if json.Unmarshal(value, &read) != nil {
		return change{}, errJSON
	}
	if len(read.Features) > maxChanges {
		return change{}, errTooMany
	}
	said := change{markers: read.Features}
	if read.Feature != "" {
		said.markers = append(said.markers, read.Feature)
	}
	return said, nil
}
