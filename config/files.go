package config

import (
	"crypto/sha256"
	"slices"
	"strings"
)

// certificateFiles calls do with each file of certificates that the configuration names, and
// the key of the option that does.
func (c *Config) certificateFiles(do func(key, path string)) {
	look := func(o Option, key string) {
		if o.Form.Kind == "file" && strings.Contains(key, "tls.") && c.text(key) != "" {
			do(key, c.text(key))
		}
	}
	for _, o := range Options() {
		if len(o.Elements) == 0 {
			look(o, o.Key)
			continue
		}
		for i := range c.field(o.Key).Len() {
			for _, e := range o.Elements {
				look(e, elementKey(o, i, e))
			}
		}
	}
}

// noteFiles remembers what the files of certificates hold, by its hash.
func (l *loader) noteFiles() {
	l.config.files = make(map[string][sha256.Size]byte)
	l.config.certificateFiles(func(key, path string) {
		if text, err := readBounded(path, maxPEMBytes); err == nil {
			l.config.files[key] = sha256.Sum256(text)
		}
	})
}

// Files are the files whose contents are part of the configuration: secrets,
// certificates and the feature catalogue.
func (c *Config) Files() []string {
	var files []string
	add := func(path string) {
		if path != "" {
			files = append(files, path)
		}
	}
	for key := range secrets {
		add(c.text(key))
	}
	add(c.FeaturesFile)
	c.certificateFiles(func(_, path string) { add(path) })
	slices.Sort(files)
	return slices.Compact(files)
}
