package demo

import (
	"context"
	"math/rand/v2"
	"strconv"
)

// Data are the entities of the store and their features. All of it follows from
// the seed. It is not changed once made.
type Data struct {
	kinds    []kind
	entities [][]string // by kind, the most popular first
	models   []model
	seed     uint64
}

// NewData makes up entities and models.
func NewData(seed uint64) *Data {
	d := &Data{kinds: newKinds(), seed: seed}
	random := rand.New(rand.NewPCG(seed, 0))
	for _, k := range d.kinds {
		d.entities = append(d.entities, newEntities(k, random))
	}
	d.models = newModels(d.kinds, random)
	return d
}

// newEntities names the entities of a kind. What their numbers tell of their
// age has nothing to do with their popularity.
func newEntities(k kind, random *rand.Rand) []string {
	const first, step = 1_000_000, 97 // numbers are drawn from steps of their own, so no two are alike
	entities := make([]string, k.population)
	for i := range entities {
		entities[i] = k.prefix + strconv.Itoa(first+i*step+random.IntN(step))
	}
	random.Shuffle(len(entities), func(i, j int) { entities[i], entities[j] = entities[j], entities[i] })
	return entities
}

// values are the fields and values, in turn, of the entity at place i of its
// kind.
func (d *Data) values(kind, i int) []string {
	const streams = 1 << 32 // apart from each other by kind, and from that of NewData
	return d.kinds[kind].draw(rand.New(rand.NewPCG(d.seed, uint64(kind+1)*streams+uint64(i))))
}

// Store writes everything to fleet and tells how many features that was. It
// ends early with ctx.
func (d *Data) Store(ctx context.Context, fleet *Fleet) (features int, err error) {
	for kind, entities := range d.entities {
		for i, entity := range entities {
			if err := ctx.Err(); err != nil {
				return features, err
			}
			pairs := d.values(kind, i)
			fleet.Write(entity, pairs...)
			features += len(pairs) / 2
		}
	}
	return features, nil
}

// Entities is how many there are of all kinds.
func (d *Data) Entities() (n int) {
	for _, entities := range d.entities {
		n += len(entities)
	}
	return n
}

// Models is how many models ask for features.
func (d *Data) Models() int { return len(d.models) }

// Example is a popular entity, and some of its features that the store has and
// a person can read.
func (d *Data) Example() (entity string, features []Feature) {
	const enough = 3 // features; a command that is typed fits a line
	for i, entity := range d.entities[0] {
		stored := make(map[string]bool)
		for j, pairs := 0, d.values(0, i); j < len(pairs); j += 2 {
			stored[pairs[j]] = true
		}
		features = features[:0]
		for _, f := range d.kinds[0].features {
			if stored[f.ID] && f.form != embedding {
				features = append(features, f)
			}
			if len(features) == enough {
				return entity, features
			}
		}
	}
	return "", nil
}
