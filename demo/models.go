package demo

import (
	"math/rand/v2"

	"github.com/tidwall/redcon"
)

// The kinds of entity, as indices of newKinds.
const (
	store = iota
	consumer
	driver
)

// modelTable says what each model reads for one prediction: of which kind, how
// many entities, and how many features of each. Features are drawn from the
// same hundred of a kind, so models overlap in them as well as in entities.
var modelTable = []struct {
	name  string
	reads []need
}{
	{"store_ranking", []need{{consumer, 1, 60}, {store, 20, 40}}},
	{"search_ranking", []need{{consumer, 1, 35}, {store, 24, 25}}},
	{"item_recommendation", []need{{consumer, 1, 100}, {store, 8, 30}}},
	{"new_consumer_ranking", []need{{consumer, 1, 10}, {store, 10, 12}}},
	{"delivery_time", []need{{store, 1, 80}, {driver, 3, 50}, {consumer, 1, 10}}},
	{"preparation_time", []need{{store, 1, 100}}},
	{"driver_assignment", []need{{driver, 12, 40}, {store, 2, 30}}},
	{"driver_pay", []need{{driver, 1, 60}, {store, 1, 45}}},
	{"supply_forecast", []need{{driver, 8, 20}, {store, 8, 15}}},
	{"checkout_fraud", []need{{consumer, 1, 90}, {store, 1, 20}}},
	{"promotion_choice", []need{{consumer, 1, 70}}},
	{"notification_time", []need{{consumer, 1, 25}, {store, 4, 15}}},
}

// need is a part of modelTable.
type need struct{ kind, entities, features int }

// model is what a prediction reads: the same projections every time.
type model struct{ asks []ask }

// ask reads one projection of some entities of a kind.
type ask struct {
	kind, entities int
	fields         []string

	// An HMGET in wire form is head, the entity, tail.
	head, tail []byte
}

// newModels draws the features that each model asks for.
func newModels(kinds []kind, random *rand.Rand) []model {
	var models []model
	for _, row := range modelTable {
		var m model
		for _, r := range row.reads {
			var fields []string
			for _, i := range random.Perm(len(kinds[r.kind].features))[:r.features] {
				fields = append(fields, kinds[r.kind].features[i].ID)
			}
			m.asks = append(m.asks, newAsk(r.kind, r.entities, fields))
		}
		models = append(models, m)
	}
	return models
}

func newAsk(kind, entities int, fields []string) ask {
	a := ask{kind: kind, entities: entities, fields: fields}
	a.head = redcon.AppendBulkString(redcon.AppendArray(nil, 2+len(fields)), "HMGET")
	for _, f := range fields {
		a.tail = redcon.AppendBulkString(a.tail, f)
	}
	return a
}

// append appends the HMGET for entity.
func (a *ask) append(b []byte, entity string) []byte {
	b = redcon.AppendBulkString(append(b, a.head...), entity)
	return append(b, a.tail...)
}
