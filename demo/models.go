package demo

import (
	"math/rand/v2"

	"github.com/tidwall/redcon"
)

// The kinds of entity, as indices of newKinds.
const (
	stores = iota
	consumers
	drivers
)

// model reads features for its predictions.
type model struct {
	name string
	asks []ask
}

// ask is what a model reads of one kind of entity: the same projection of each.
type ask struct {
	kind     int
	entities int // for one prediction
	fields   []string

	// An HMGET is head, the entity as a bulk string, tail.
	head, tail []byte
}

// modelTable says what each model reads. Features are drawn from the same few
// hundred, so the models overlap in them as well as in entities.
var modelTable = []struct {
	name string
	asks []ask
}{
	{"store_ranking", []ask{{kind: consumers, entities: 1, fields: make([]string, 60)}, {kind: stores, entities: 20, fields: make([]string, 40)}}},
	{"search_ranking", []ask{{kind: consumers, entities: 1, fields: make([]string, 35)}, {kind: stores, entities: 24, fields: make([]string, 25)}}},
}
