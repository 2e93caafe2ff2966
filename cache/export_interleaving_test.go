package cache

import (
	"slices"
	"testing"
	"time"
)

// The interleavings of interleaving_test.go around a snapshot: what goes into it,
// what comes out of it in both forms, what a write makes of it, and what a marker
// that is seen before or after it does.

// handover is a snapshot on its way from one process to the next.
type handover struct {
	rules handoverRules

	// What is in it.
	places []Place
	values [][]byte
	ticks  []Tick
	held   Tick // until when what is fetched may be from before a write
	known  int  // the marker that the first process knew
	again  bool // it was still to be marked once more
	taken  Tick // when that was

	generation, begun int  // voided so often by now, and when it was begun
	there             bool // the file is
	writes            int  // on their way
	decided           bool // whether there is a second process
	second            bool // it runs
	suspension        *Suspension

	marker int  // in the store
	seen   int  // the last that the poller knows
	repeat Tick // when it marks once more; 0: not
}

// handoverRules are those of a snapshot; a test breaks one.
type handoverRules struct {
	voids      bool // a write takes the file away, and keeps one that was begun from its place
	holds      bool // what a write holds down is held down after it
	checkpoint bool // the markers are those from before the rows were written
	pending    bool // what is to be marked once more is in the file
	suspends   bool // nothing is served before the markers were compared
}

var soundHandover = handoverRules{true, true, true, true, true}

func (h *handover) checkpointed(p *play) {
	h.known, h.again, h.taken = h.seen, h.repeat > 0, p.now
	if !h.rules.pending {
		h.again = false
	}
}

// export takes from the row what is fresh, in every form.
func (h *handover) export(p *play) {
	h.places, h.values, h.ticks = nil, nil, nil
	if h.held = 0; h.rules.holds && h.generation > 0 {
		h.held = p.now + HoldTicks(p.Held())
	}
	found, ok := p.shard(p.Cache.hash(p.entity)).GetEntryQuietly(string(p.entity))
	if !ok {
		return
	}
	var e Exported
	p.Cache.export(&e, found.Key, found.Value)
	for i, f := range e.Features {
		wire, tick, fresh := e.Value(i, p.now)
		if !fresh {
			continue
		}
		h.places = append(h.places, Place{[]byte(f.Name), f.Form()})
		h.values, h.ticks = append(h.values, slices.Clone(wire)), append(h.ticks, tick)
	}
}

// begin has all that follows go to the second process. Whoever asked the first is
// not answered.
func (h *handover) begin(p *play) {
	for _, f := range p.fetch {
		f.lost, f.over = true, true
	}
	p.now++ // no tick is of both
	p.rig, h.second = p.stageOf.next, true
	p.at(p.now)
	p.Hold(time.Duration(max(h.held-p.now, 0)) * TickLength)
	p.p, p.twin = p.mustProject(string(p.feature)), p.mustProjectIn(decodedView, string(p.feature))
	if len(h.places) > 0 {
		p.Import(p.entity, p.Roster(h.places), h.values, h.ticks)
	}
}

// restart are the steps of a snapshot and of the start of the next process, if a
// snapshot is there: one that has none begins as if there had been none before.
func (h *handover) restart() actor {
	return actor{
		{name: "the row is written", do: func(p *play) { h.begun = h.generation; h.export(p) }},
		{name: "the file is put in its place", do: func(*play) {
			h.there = !h.rules.voids || h.begun == h.generation && h.writes == 0
		}},
		{name: "the next process starts, if there is a file", ready: (*play).mayTick, do: func(p *play) {
			if h.decided = true; h.there && h.writes == 0 {
				h.begin(p)
			}
		}},
	}
}

// write is one that passes through the process.
func (h *handover) write() actor {
	drop := func(p *play) {
		p.Invalidate(p.entity, p.hold())
		h.generation++
		h.there = h.there && !h.rules.voids
	}
	return actor{
		{name: "a write is forwarded", do: func(p *play) { h.writes++; drop(p); p.untold++; p.event = p.now }},
		storeChange(0),
		told("the write is answered", func(p *play) { drop(p); h.writes-- }),
	}
}

// upload is one that is marked when the store has it.
func (h *handover) upload() actor {
	return actor{{name: "an upload is made and marked", do: func(p *play) {
		storeChange(2).do(p)
		h.marker++
	}}}
}

// poll are so many looks at the markers, by the process that runs, each when there
// is something to do or nothing will be.
func (h *handover) poll(times int) actor {
	return slices.Repeat(actor{{
		name: "the markers are polled",
		ready: func(p *play) bool {
			over := h.marker > 0 && h.seen == h.marker && h.repeat == 0
			return h.suspension == nil && (over || h.seen != h.marker || h.repeat > 0 && p.now >= h.repeat)
		},
		do: h.look,
	}}, times)
}

// look marks what is new, and what is to be marked once more.
func (h *handover) look(p *play) {
	if h.repeat > 0 && p.now >= h.repeat {
		h.repeat = 0
		p.Mark(p.cover)
		p.untold--
		p.event = p.now
	}
	if h.seen != h.marker {
		h.seen, h.repeat = h.marker, p.now+p.settle
		p.Mark(p.cover)
		p.untold--
		p.event = p.now
	}
}

// resumed are the steps of a restart where markers tell of changes.
func (h *handover) resumed() actor {
	row, inPlace := h.restart()[0], h.restart()[1]
	write := act{name: "the row is written", do: func(p *play) { row.do(p); inPlace.do(p) }}
	steps := actor{{name: "a checkpoint is taken", do: h.checkpointed}, write, h.restart()[2]}
	if !h.rules.checkpoint {
		steps[0], steps[1] = steps[1], steps[0]
	}
	start := steps[2].do
	steps[2].do = func(p *play) {
		if start(p); h.rules.suspends {
			h.suspension = p.Suspend(p.cover)
		}
	}
	return append(steps, act{name: "the markers are compared, and what is held is served", do: h.resume})
}

// resume acts on what was marked since the checkpoint, and ends the suspension.
func (h *handover) resume(p *play) {
	missed := h.again || h.known != h.marker
	h.seen, h.repeat = h.marker, 0
	if missed {
		p.Forget(p.cover, 0)
		h.repeat, p.untold, p.event = p.now+p.settle, 1, p.now
	}
	if h.suspension != nil {
		h.suspension.Lift(time.Duration(max(h.taken+p.settle-p.now, 0)) * TickLength)
		h.suspension = nil
	}
}

// filled begins a play with the row in memory, in both forms, and has the others
// wait for it.
func filled(first actor, others ...actor) []actor {
	fill := act{name: "the row is filled", do: func(p *play) {
		for _, step := range reader(0) {
			step.do(p)
		}
		p.now++
		p.at(p.now)
	}}
	actors := []actor{append(actor{fill}, first...)}
	for _, a := range others {
		ready := a[0].ready
		a[0].ready = func(p *play) bool { return len(p.trace) > 0 && (ready == nil || ready(p)) }
		actors = append(actors, a)
	}
	return actors
}

// afterwards has an actor begin when it is decided which process runs on.
func (h *handover) afterwards(a actor) actor {
	a[0].ready = func(*play) bool { return h.decided }
	return a
}

// handovers are plays with a snapshot, by name.
var handovers = map[string]struct {
	settle Tick
	actors func(h *handover) []actor
}{
	"a write": {1, func(h *handover) []actor {
		return filled(h.restart(), h.write(), actor{takeOver}, h.afterwards(reader(1)), clock(1))
	}},
	"an upload": {1, func(h *handover) []actor {
		return filled(h.resumed(), h.upload(), h.poll(2), actor{takeOver}, h.afterwards(reader(1)), clock(2))
	}},
	"an upload that is fetched too soon": {1, func(h *handover) []actor {
		soon := reader(1)
		soon[0].ready = func(*play) bool { return h.seen > 0 }
		return filled(h.resumed(), h.upload(), h.poll(2), actor{takeOver}, soon, clock(1))
	}},
}

func (h *handover) play(name string) func() []actor {
	rules := h.rules
	return func() []actor {
		*h = handover{rules: rules}
		return handovers[name].actors(h)
	}
}

func TestNoOrderOfStepsAroundASnapshotServesAnOldValue(t *testing.T) {
	for name, c := range handovers {
		t.Run(name, func(t *testing.T) {
			h := &handover{rules: soundHandover}
			if broken := everyOrder(t, c.settle, h.play(name)); broken != "" {
				t.Fatal(broken)
			}
		})
	}
}

func TestAnOrderIsFoundThatBreaksThePromiseOfASnapshot(t *testing.T) {
	for name, c := range map[string]struct {
		play   string
		breaks func(*handoverRules)
	}{
		"a file that outlives a write":                   {"a write", func(r *handoverRules) { r.voids = false }},
		"a hold that ends with the process":              {"a write", func(r *handoverRules) { r.holds = false }},
		"markers that are read after the rows":           {"an upload", func(r *handoverRules) { r.checkpoint = false }},
		"a second marking that ends with the process":    {"an upload that is fetched too soon", func(r *handoverRules) { r.pending = false }},
		"rows that are served before markers are looked": {"an upload", func(r *handoverRules) { r.suspends = false }},
	} {
		t.Run(name, func(t *testing.T) {
			h := &handover{rules: soundHandover}
			c.breaks(&h.rules)
			broken := everyOrder(t, handovers[c.play].settle, h.play(c.play))
			if broken == "" {
				t.Fatal("no order breaks the promise")
			}
			t.Log(broken)
		})
	}
}
