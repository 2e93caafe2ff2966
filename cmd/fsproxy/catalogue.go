package main

import (
	"cmp"
	"encoding/json"
	"unicode/utf8"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/codec"
	"github.com/fsproxy/fsproxy/invalidation/kafka"
	"github.com/fsproxy/fsproxy/proxy"
)

// policies tells the cache how the values of each field may be kept: as the
// catalogue says, and as the options say where it says nothing.
func policies(cfg *config.Config, catalogue *feature.Catalogue) func(field string) cache.Policy {
	return func(field string) cache.Policy {
		p := catalogue.Policy(field)
		age := cmp.Or(p.MaxAge, cfg.Cache.MaxAge)
		return cache.Policy{
			MaxAge:         age,
			NegativeMaxAge: min(cmp.Or(p.NegativeMaxAge, cfg.Cache.NegativeMaxAge), age),
			StaleIfError:   max(cmp.Or(p.StaleIfError, cfg.Upstream.StaleIfError), 0), // below 0: never
			Keep:           p.Cacheable,
			Definition:     catalogue.Lookup(field),
			HoldPlain:      p.Hold == feature.HoldUncompressed,
		}
	}
}

// takeCatalogue has everybody go by a catalogue that was read anew, if it is
// another one. The cache is tuned after it.
func (s *sidecar) takeCatalogue(cfg *config.Config) {
	later := cfg.Catalogue()
	if s.catalogue.Same(later) {
		return
	}
	for _, warning := range later.Warnings() {
		s.log.Warn("features_file: " + warning.Error())
	}
	s.catalogue.TakeOver(later)
	s.log.Info("took over the feature catalogue", "features", later.Len())
}

// viewOf is the form in which a listener's clients get values.
func viewOf(l config.Listener) proxy.View {
	return proxy.View{
		Decoded: l.Values == config.ValuesDecoded, Arrays: l.Lists == config.ListsArray,
		Doubles: l.Doubles, Defaults: l.Defaults,
	}
}

// encoder makes of a typed JSON value what the store holds, by the catalogue; nil
// where it lists nothing.
func encoder(names feature.Names) kafka.Encoder {
	catalogue, ok := names.(*feature.Catalogue)
	if !ok {
		return nil
	}
	return func(given, literal []byte) ([]byte, error) {
		definition := catalogue.Lookup(string(given))
		if definition == nil {
			definition = catalogue.Feature(string(given))
		}
		if definition == nil || len(definition.Collides) > 0 {
			return nil, kafka.ErrUnlisted
		}
		if definition.Encoding == codec.Text {
			return textOf(definition, literal)
		}
		return definition.EncodeJSON(nil, literal)
	}
}

// textOf is what the store holds of a value that it has as text: as its writer
// spelled it, which is as it stands in the record, most likely. A string is the
// text itself, as of features that are not listed.
func textOf(definition *feature.Definition, literal []byte) ([]byte, error) {
	var text string
	if json.Unmarshal(literal, &text) == nil && utf8.Valid(literal) && literal[0] == '"' {
		_, err := definition.Decode(nil, []byte(text))
		return []byte(text), err
	}
	stored, err := definition.EncodeJSON(nil, literal)
	if err != nil || definition.Type == codec.Bool {
		return stored, err
	}
	return literal, nil
}
