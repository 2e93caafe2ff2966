package demo

import (
	"math/rand/v2"
	"slices"
)

// headLength flattens the top of the popularity: entity i is drawn with a
// chance proportional to 1/(headLength+i)^skew. With a length of 1 every
// pipeline would hold the same few entities.
const headLength = 5

// drawing chooses models and entities by chance. One goroutine owns it.
type drawing struct {
	data    *Data
	random  *rand.Rand
	popular []*rand.Zipf // by kind
	drawn   []uint64     // scratch: entities of one ask
}

// newDrawing makes a drawing that differs for each thread.
func newDrawing(data *Data, thread uint64) *drawing {
	const stream = 1 << 63 // apart from those of Data
	d := &drawing{data: data, random: rand.New(rand.NewPCG(data.seed, stream+thread))}
	for _, k := range data.kinds {
		d.popular = append(d.popular, rand.NewZipf(d.random, k.skew, headLength, uint64(k.population-1)))
	}
	return d
}

// prediction appends the pipeline of one prediction, and tells how many HMGETs
// it has. It asks for no entity twice in the same projection.
func (d *drawing) prediction(b []byte) (pipeline []byte, n int) {
	m := &d.data.models[d.random.IntN(len(d.data.models))]
	for i := range m.asks {
		a := &m.asks[i]
		d.drawn = d.drawn[:0]
		for len(d.drawn) < a.entities {
			entity := d.popular[a.kind].Uint64()
			if slices.Contains(d.drawn, entity) {
				continue
			}
			d.drawn = append(d.drawn, entity)
			b = a.append(b, d.data.entities[a.kind][entity])
		}
		n += a.entities
	}
	return b, n
}
