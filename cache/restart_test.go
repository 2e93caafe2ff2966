package cache

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// The interleavings of interleaving_test.go in which a process ends and the next
// one takes over its row.

// life is what a play knows of a process and the one that comes after it.
type life struct {
	log      []int // the versions that a stream tells of, in its order
	position int   // of the next to be read
	late     Tick  // a record is read at most so long after the store's change; 0: whenever
	act      func(p *play, version int)

	checkpoint int  // from which the second process reads
	taken      Tick // when that was
	row        []byte
	tick       Tick // of row
	suspension *Suspension
	second     bool // the second process runs
}

// unread tells whether there is a record that was not read.
func (p *play) unread() bool { return p.position < len(p.log) }

// overdue tells whether a record must be read before the clock ticks.
func (p *play) overdue() bool {
	for v := 1; v <= p.version() && p.late > 0; v++ {
		at := slices.Index(p.log, v)
		if (at < 0 || at >= p.position) && p.now >= p.replaced[v]+p.late {
			return true
		}
	}
	return false
}

// restartRules are those of a restart; a test breaks one.
type restartRules struct {
	offsetsFirst bool // the checkpoint is taken before the row is written
	readOn       bool // the stream is read from the checkpoint, not from its end
	holdDown     bool // no fetch within settle of the checkpoint is kept
}

var asItIs = restartRules{true, true, true}

// restart has the first process write its row and end, and the second go on.
func restart(rules restartRules) actor {
	checkpoint := act{name: "a checkpoint is taken", do: func(p *play) { p.checkpoint, p.taken = p.position, p.now }}
	write := act{name: "the row is written", do: (*play).write}
	if !rules.offsetsFirst {
		checkpoint, write = write, checkpoint
	}
	return actor{checkpoint, write, {
		name: "the next process starts, and loads the row", ready: (*play).mayTick, do: func(p *play) {
			p.startAgain()
			if !rules.readOn {
				p.position = len(p.log)
			}
		},
	}, {
		name: "what is held is served", do: func(p *play) {
			for p.unread() {
				p.read()
			}
			hold := Tick(0)
			if rules.holdDown {
				hold = max(p.taken+p.settle-p.now, 0)
			}
			p.suspension.Lift(time.Duration(hold) * TickLength)
		},
	}}
}

// write takes from the row what goes into a snapshot.
func (p *play) write() {
	p.row = nil
	found, ok := p.shard(p.Cache.hash(p.entity)).GetEntryQuietly(string(p.entity))
	if !ok {
		return
	}
	var e Exported
	p.export(&e, found.Key, found.Value)
	for i, f := range e.Features {
		if wire, tick, fresh := e.Value(i, p.now); fresh && f.Name == string(p.feature) && f.Form() == "stored" {
			p.row, p.tick = slices.Clone(wire), tick
		}
	}
}

// startAgain has all that follows go to the second process. Whoever asked the
// first is not answered.
func (p *play) startAgain() {
	for _, f := range p.fetch {
		f.lost, f.over = true, true
	}
	p.now++ // no tick is of both
	p.rig, p.second, p.position = p.next, true, p.checkpoint
	p.at(p.now)
	p.suspension = p.Suspend(p.cover)
	p.p, p.twin = p.mustProject(string(p.feature)), p.mustProjectIn(decodedView, string(p.feature))
	if p.row != nil {
		p.Import(p.entity, p.Roster([]Place{{p.feature, "stored"}}), [][]byte{p.row}, []Tick{p.tick})
	}
}

// read acts on the next record.
func (p *play) read() {
	p.act(p, p.log[p.position])
	p.position++
	p.event = p.now
}

// changes is a change of the store after which the stream tells of versions.
func changes(told ...int) act {
	return act{name: "the store changes", do: func(p *play) {
		storeChange(1).do(p)
		p.log = append(p.log, told...)
		p.untold -= len(told)
	}}
}

// produces has the stream tell of a version that came before.
func produces(version int) act {
	return act{name: fmt.Sprintf("the record of version %d is produced", version), do: func(p *play) {
		p.log = append(p.log, version)
		p.untold--
	}}
}

// consumer reads so many records, and again those that the second process begins
// with.
func consumer(records int) actor {
	return slices.Repeat(actor{{name: "a record is read", ready: (*play).unread, do: (*play).read, spare: true}}, 2*records)
}

// held begins a play with the row in memory.
func held(act func(*play, int), late Tick) actor {
	return actor{{name: "the row is filled", ready: func(p *play) bool { return len(p.trace) == 0 }, do: func(p *play) {
		p.act, p.late = act, late
		for _, step := range reader(0) {
			step.do(p)
		}
		for range recordsLate + 1 { // so that records may be put in place
			p.now++
		}
		p.at(p.now)
	}}}
}

// after has an actor begin when the second process runs.
func after(a actor) actor {
	a[0].ready = func(p *play) bool { return p.second }
	return a
}

func evicts(p *play, _ int) { p.update() }

// restarts are plays with a restart, by name.
var restarts = map[string]struct {
	settle Tick
	actors func(rules restartRules) []actor
}{
	"an update": {0, func(rules restartRules) []actor {
		return []actor{append(held(evicts, 0), restart(rules)...), onceHeld(actor{changes(1)}), consumer(1), onceHeld(reader(0))}
	}},
	"an update that the first process reads, a fetcher that lags": {2, func(rules restartRules) []actor {
		first := append(append(held(evicts, 0), changes(1)), consumer(1)[0])
		return []actor{append(first, restart(rules)...), {takeOver}, after(reader(1)), onceHeld(clock(3))}
	}},
	"an update that it does not read, a fetcher that lags": {2, func(rules restartRules) []actor {
		of := restart(rules)
		return []actor{append(append(append(held(evicts, 0), of[:2]...), changes(1)), of[2:]...), {takeOver}, after(reader(1)), onceHeld(clock(3))}
	}},
	"values that records bring, out of order": {0, func(rules restartRules) []actor {
		late := produces(1)
		late.ready = func(p *play) bool { return p.version() == 2 }
		first := append(held((*play).applyVersion, recordsLate), changes(), changes(2))
		return []actor{append(first, restart(rules)...), {late}, consumer(2), onceHeld(clock(2))}
	}},
}

// onceHeld has an actor begin when the row is held.
func onceHeld(a actor) actor {
	ready := a[0].ready
	a[0].ready = func(p *play) bool { return len(p.trace) > 0 && (ready == nil || ready(p)) }
	return a
}

func TestNoOrderOfStepsAroundARestartServesAnOldValue(t *testing.T) {
	for name, c := range restarts {
		t.Run(name, func(t *testing.T) {
			if broken := everyOrder(t, c.settle, func() []actor { return c.actors(asItIs) }); broken != "" {
				t.Fatal(broken)
			}
		})
	}
}

func TestAnOrderIsFoundThatBreaksThePromiseOfARestart(t *testing.T) {
	for name, c := range map[string]struct {
		play  string
		rules restartRules
	}{
		"offsets that are taken after the rows":        {"an update", restartRules{false, true, true}},
		"a stream that is read on from its end":        {"an update", restartRules{true, false, true}},
		"a hold-down that ends with the first process": {"an update that the first process reads, a fetcher that lags", restartRules{true, true, false}},
	} {
		t.Run(name, func(t *testing.T) {
			play := restarts[c.play]
			broken := everyOrder(t, play.settle, func() []actor { return play.actors(c.rules) })
			if broken == "" {
				t.Fatal("no order breaks the promise")
			}
			t.Log(broken)
		})
	}
}
