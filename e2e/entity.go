//go:build e2e

package e2e

import (
	"strconv"

	"github.com/fsproxy/fsproxy/feature"
)

// entityKind is the shape of one kind of made-up entity: keys prefix_0 …, each
// with some of the kind's features.
type entityKind struct {
	prefix   string
	features int // names that its models ask for
	entities int
}

// projection returns the ordered fields that a model asks of this kind.
func (k entityKind) projection() []string {
	fields := make([]string, k.features)
	for i := range fields {
		fields[i] = feature.ID("daf_" + k.prefix + "_feature_" + strconv.Itoa(i))
	}
	return fields
}

// key returns the key of entity i.
func (k entityKind) key(i int) string { return k.prefix + "_" + strconv.Itoa(i) }

// hashes returns what a store holds of this kind. Every third feature is
// missing, as zero and null features are not stored, and every tenth entity is
// unknown altogether.
func (k entityKind) hashes() map[string]hash {
	all := map[string]hash{}
	fields := k.projection()
	for i := range k.entities {
		if i%10 == 9 {
			continue
		}
		h := hash{}
		for j, f := range fields {
			if (i+j)%3 != 0 {
				h[f] = strconv.FormatFloat(float64(i)+float64(j)/100, 'f', -1, 64)
			}
		}
		all[k.key(i)] = h
	}
	return all
}

// reply returns the wire form of what HMGET key fields… has to answer, given
// what the store holds.
func reply(hashes map[string]hash, key string, fields []string) string {
	values := make([]string, len(fields))
	for i, f := range fields {
		values[i] = hashes[key][f]
	}
	return bulks(values...)
}
