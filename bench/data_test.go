package bench

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// testShapes are shapes of all kinds, small.
func testShapes() map[string]Shape {
	plain := Shape{Fields: 5, EntityFields: 5, Values: Sizes{{Bytes: 6, Weight: 1}}, Entities: 60, Pipeline: 4, Connections: 2, Projections: 1, Prefix: "st_"}
	sized, part, overlap, many, window, misses := plain, plain, plain, plain, plain, plain
	sized.Values = Sizes{{Bytes: 0, Weight: 1}, {Bytes: 6, Weight: 5}, {Bytes: 1000, Weight: 1}}
	sized.Zipf = 0.9
	part.EntityFields = 9
	overlap.EntityFields, overlap.Overlap = 8, true
	many.Projections = 7
	window.Window, window.Connections = 16, 1
	misses.Misses = 0.3
	return map[string]Shape{"plain": plain, "sized": sized, "part": part, "overlap": overlap, "many": many, "window": window, "misses": misses}
}

func TestReplyLengthIsTheLengthOfTheReply(t *testing.T) {
	for name, shape := range testShapes() {
		d, random := newDataset(shape, 10, 1), rand.New(rand.NewPCG(1, 1))
		for entity := range int32(d.entities) {
			a := ask{entity, d.projectionOf(entity, random)}
			reply := d.appendReply(nil, a)
			if got := d.replyLength(a); got != len(reply) {
				t.Fatalf("%s: %d for a reply of %d bytes", name, got, len(reply))
			}
			if n, err := frameLength(reply); n != len(reply) || err != nil {
				t.Fatalf("%s: the reply of %d bytes is a frame of %d, %v", name, len(reply), n, err)
			}
			request := d.appendRequest(nil, a)
			if n, err := frameLength(request); n != len(request) || err != nil {
				t.Fatalf("%s: the request of %d bytes is a frame of %d, %v", name, len(request), n, err)
			}
		}
	}
}

func TestEveryFieldThatIsAskedForIsOneThatTheEntityHolds(t *testing.T) {
	for name, shape := range testShapes() {
		d, random := newDataset(shape, 0, 1), rand.New(rand.NewPCG(1, 1))
		for entity := range int32(d.entities) {
			first, end := d.groupFields(entity)
			stored := d.appendStore(nil, entity)
			p := d.projections[d.projectionOf(entity, random)]
			for _, field := range p.fields {
				if field < first || field >= end || !bytes.Contains(stored, d.names[field]) {
					t.Fatalf("%s: entity %d is asked for field %d, and holds %d to %d", name, entity, field, first, end-1)
				}
			}
		}
	}
}

func TestOverlappingModelsShareFieldsInAnotherOrder(t *testing.T) {
	d := newDataset(testShapes()["overlap"], 0, 1)
	if len(d.projections) != 2 {
		t.Fatalf("there are %d projections", len(d.projections))
	}
	one, other := d.projections[0].fields, d.projections[1].fields
	shared := 0
	for _, field := range other {
		if slices.Contains(one, field) {
			shared++
		}
	}
	if shared != 2 || slices.IsSorted(other) { // 5 of 8 and 5 of 8
		t.Errorf("%v and %v share %d", one, other, shared)
	}
}

func TestFieldNamesAreDistinctAndOfTenDigits(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range fieldNames(2000, rand.New(rand.NewPCG(1, 1))) {
		if len(name) != 10 || seen[string(name)] {
			t.Fatalf("the name %s", name)
		}
		seen[string(name)] = true
	}
}

func TestAnEntityAskedForOnceIsAskedForOnce(t *testing.T) {
	shape := testShapes()["misses"]
	const commands = 1000
	s := &session{data: newDataset(shape, shape.once(commands), 1), clients: make([]*client, shape.Connections)}
	seen, fresh := map[int32]bool{}, 0
	for _, next := range s.random(commands, checkValues).next {
		for a, more := next(); more; a, more = next() {
			if int(a.entity) < shape.Entities {
				continue
			}
			if fresh++; seen[a.entity] || int(a.entity) >= s.data.entities {
				t.Fatalf("entity %d of %d again", a.entity, s.data.entities)
			}
			seen[a.entity] = true
		}
	}
	if fresh < commands/5 || fresh > commands/2 {
		t.Errorf("%d of %d commands asked for a fresh entity", fresh, commands)
	}
}
