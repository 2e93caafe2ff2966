package config

import (
	"fmt"
	"strings"

	"github.com/go-viper/mapstructure/v2"
)

// viperDecoder is what viper lets its callers adjust.
type viperDecoder = mapstructure.DecoderConfig

// fault is one malformed part of an option's value.
type fault struct {
	part   string // "" for the whole value, "[1]" or "[1].address" for a part
	text   string
	reason string
}

// read turns raw, in a shape of Option.split, into the option's value.
func (o Option) read(raw any) (any, []fault) {
	switch raw := raw.(type) {
	case string:
		value, err := o.Form.read(raw)
		if err != nil {
			return nil, []fault{{text: raw, reason: o.reason(err)}}
		}
		return value, nil
	case []string:
		return o.readList(raw)
	case []map[string]any:
		return o.readSections(raw)
	default:
		return nil, []fault{{text: fmt.Sprint(raw), reason: "unreadable; accepted: " + o.Form.Accepted}}
	}
}

func (o Option) readList(elements []string) (any, []fault) {
	var faults []fault
	for i, text := range elements {
		if _, err := o.Form.read(text); err != nil {
			faults = append(faults, fault{part: fmt.Sprintf("[%d]", i), text: text, reason: o.reason(err)})
		}
	}
	if len(elements) == 0 && !o.Form.Empty {
		faults = append(faults, o.emptyList())
	}
	return elements, faults
}

func (o Option) readSections(sections []map[string]any) (any, []fault) {
	var faults []fault
	list := make([]map[string]any, len(sections))
	for i, section := range sections {
		values := map[string]any{}
		for _, e := range o.Elements {
			raw, given := section[e.Key]
			if !given {
				raw = e.split(e.Default)
			}
			value, wrong := e.read(raw)
			for _, f := range wrong {
				f.part = fmt.Sprintf("[%d].%s%s", i, e.Key, f.part)
				faults = append(faults, f)
			}
			values[e.Key] = value
		}
		list[i] = nest(values)
	}
	if len(sections) == 0 && !o.Form.Empty {
		faults = append(faults, o.emptyList())
	}
	return list, faults
}

func (o Option) emptyList() fault {
	return fault{reason: "an empty list; accepted: one or more, each " + o.Form.Accepted}
}

// reason joins what is wrong with what is accepted.
func (o Option) reason(err error) string {
	return err.Error() + "; accepted: " + o.Form.Accepted
}

func trimmed(elements []string) []string {
	kept := make([]string, 0, len(elements))
	for _, e := range elements {
		if e = strings.TrimSpace(e); e != "" {
			kept = append(kept, e)
		}
	}
	return kept
}
