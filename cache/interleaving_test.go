package cache

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/codec"
	"github.com/fsproxy/fsproxy/resp"
)

// The cache itself, driven through every order of the steps of a few actors: a
// store and a fetcher that lags behind it, readers with their fetches, what
// tells of changes, and the clock. invalidation/model walks further, but it walks
// a model.

// act is one step of an actor: ready says when it may come, nil: at any time.
type act struct {
	name  string
	ready func(p *play) bool
	do    func(p *play)
	spare bool // it need not come at all
}

// actor does its steps in order.
type actor []act

// play is one order of the steps of some actors.
type play struct {
	rig
	*stageOf
	now     Tick
	settle  Tick // how long the fetcher that lags may
	entity  []byte
	feature []byte
	cover   *feature.Cover
	p       *Projection
	twin    *Projection // the same feature, decoded
	readers int

	// The store: version v replaced the one before at replaced[v].
	replaced []Tick
	replica  int

	untold int  // changes that the cache was not told of yet
	event  Tick // when it was last told of something
	fetch  []*flight
	trace  []string
	broken string

	life // of the process that runs, and of the next
}

// stageOf counts the plays of one test, each with an entity and a feature of its
// own and later than the one before.
type stageOf struct {
	plays int
	start Tick
	next  rig // the cache of the process that comes after the first
}

// flight is a fetch in flight.
type flight struct {
	began   Tick
	replied bool
	version int
	need    []int // of those who wait for it, by arrival
	over    bool
	lost    bool // with the process that sent it
}

const (
	// apart is how many ticks lie between two plays: none sees what the one before
	// left behind.
	apart = 1000
	// playsTogether are played on one cache, which knows no more features.
	playsTogether = 2000
	// maxPlays bounds a test that grew by mistake.
	maxPlays = 300_000
)

// everyOrder plays every order of the steps that actors returns, and gives the
// first one that breaks the promise; "": none does.
func everyOrder(t *testing.T, settle Tick, actors func() []actor) (broken string) {
	t.Helper()
	cfg := roomy
	cfg.MaxFeatures, cfg.MaxProjections, cfg.MaxLayouts = maxPlays, maxPlays, 4*maxPlays
	cfg.Decodes, cfg.Policy = true, decodes(versions)
	var r rig
	stage := &stageOf{start: apart}
	var choices, width []int
	for stage.plays < maxPlays {
		if stage.plays%playsTogether == 0 {
			r, stage.next = newRig(t, cfg), newRig(t, cfg)
		}
		p := newPlay(r, stage, settle)
		// In a goroutine of its own: what the race detector keeps of the calls of
		// one that plays them all grows, and slows it down tenfold.
		played := make(chan struct{})
		go func() {
			defer close(played)
			choices, width = p.run(actors(), choices)
		}()
		if <-played; t.Failed() {
			return ""
		}
		if p.broken != "" {
			return p.broken + ":\n  " + strings.Join(p.trace, "\n  ")
		}
		last := len(choices) - 1
		for last >= 0 && choices[last]+1 == width[last] {
			last--
		}
		if last < 0 {
			t.Logf("%d orders", stage.plays)
			return ""
		}
		choices = append(choices[:last:last], choices[last]+1)
	}
	t.Fatalf("more than %d orders", maxPlays)
	return ""
}

func newPlay(r rig, stage *stageOf, settle Tick) *play {
	stage.plays++
	stage.start += apart
	name := strconv.Itoa(stage.plays)
	cover, err := feature.NewCover([]string{"f" + name}, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	p := &play{
		rig: r, stageOf: stage, now: stage.start, settle: settle,
		entity: []byte("e" + name), feature: []byte("f" + name), cover: cover, replaced: []Tick{0},
	}
	p.at(p.now)
	p.p = p.mustProject("f" + name)
	p.twin = p.mustProjectIn(decodedView, "f"+name)
	return p
}

// run does the steps in the order that choices name, and the first that is ready
// where they end. It returns the choices made, and among how many each was.
func (p *play) run(actors []actor, choices []int) (made, width []int) {
	for {
		var ready []int
		for i, a := range actors {
			if len(a) > 0 && (a[0].ready == nil || a[0].ready(p)) {
				ready = append(ready, i)
			}
		}
		if p.broken != "" {
			break
		}
		if len(ready) == 0 { // all is done, or waits for the clock
			if !slices.ContainsFunc(actors, func(a actor) bool { return len(a) > 0 && !a[0].spare }) {
				break
			}
			clock(1)[0].do(p)
			continue
		}
		choice := 0
		if len(made) < len(choices) {
			choice = choices[len(made)]
		}
		made, width = append(made, choice), append(width, len(ready))
		a := &actors[ready[choice]]
		step := (*a)[0]
		*a = (*a)[1:]
		step.do(p)
		p.trace = append(p.trace, fmt.Sprintf("tick %d: %s", p.now-p.start, step.name))
		p.peek()
	}
	if p.broken == "" {
		p.rest()
	}
	return made, width
}

func (p *play) version() int { return len(p.replaced) - 1 }

// need is the version that a reader must be answered with who asks now.
func (p *play) need() int {
	if p.untold == 0 && !p.unread() && p.now > max(p.event, p.replaced[p.version()])+p.settle {
		return p.version()
	}
	return 0
}

// judge takes note of an answer that breaks the promise.
func (p *play) judge(version, need int, whence string) {
	if version < need {
		p.broken = fmt.Sprintf("version %d is served %s although all is at rest and the store has version %d", version, whence, need)
	}
}

// versions is how the store holds the versions of a feature: not as they are
// decoded, so that both forms have a place of their own.
var versions = codec.Form{Type: codec.Int, Encoding: codec.Protobuf}

// stored is a version as the store holds it: one more than its number, as that of
// 0 would be an empty message.
func stored(version int) string {
	value, err := versions.Encode(nil, []byte(strconv.Itoa(version+1)))
	if err != nil {
		panic(err)
	}
	return string(value)
}

// memory is the version that a reader is answered with from memory.
func (p *play) memory(asked *Projection) (version int, ok bool) {
	found := p.Lookup(p.entity, asked, p.now)
	if !found.Complete {
		return 0, false
	}
	value, _ := bulkValue(found.Append(nil, resp.V2))
	if asked == p.p {
		decoded, _ := versions.Decode(nil, []byte(value))
		value = string(decoded)
	}
	version, err := strconv.Atoi(value)
	if err != nil {
		p.broken = fmt.Sprintf("memory answers %q", value)
	}
	return version - 1, true
}

// peek judges what memory would answer now, in either form.
func (p *play) peek() {
	for _, asked := range []*Projection{p.p, p.twin} {
		if version, ok := p.memory(asked); ok {
			p.judge(version, p.need(), "from memory")
		}
	}
}

// rest lets all settle, and wants memory to be right and to work.
func (p *play) rest() {
	for range p.settle + 2 {
		p.now++
		p.at(p.now)
		p.peek()
	}
	p.replica = p.version()
	for range 2 { // one that asks for each form
		for _, step := range reader(0) {
			step.do(p)
		}
	}
	for _, asked := range []*Projection{p.p, p.twin} {
		if version, ok := p.memory(asked); p.broken == "" && (!ok || version != p.version()) {
			p.broken = fmt.Sprintf("at rest memory answers %d (at all: %v, decoded: %v), the store has %d", version, ok, asked == p.twin, p.version())
		}
	}
}

// reader is one that reads through the cache, each second one decoded; its fetch,
// if it needs one, is answered by the store (0) or by the fetcher that lags (1).
func reader(fetcher int) actor {
	var mine *flight
	var asked *Projection
	return actor{
		{name: "a reader asks", do: func(p *play) {
			need := p.need()
			asked = []*Projection{p.p, p.twin}[p.readers%2]
			p.readers++
			if version, ok := p.memory(asked); ok {
				p.judge(version, need, "from memory")
				return
			}
			invalidated := p.InvalidatedAt(p.entity, asked, []int32{0}, p.now)
			for _, f := range p.fetch {
				if f.over || f.began <= invalidated {
					continue
				}
				if f.began <= p.event+p.settle {
					need = 0 // as those are answered who began it
				}
				f.need = append(f.need, need)
				return
			}
			mine = &flight{began: p.now, need: []int{need}}
			p.fetch = append(p.fetch, mine)
		}},
		{name: fmt.Sprintf("fetcher %d answers", fetcher), do: func(p *play) {
			if mine == nil || mine.lost {
				return
			}
			mine.replied, mine.version = true, p.version()
			if fetcher == 1 {
				mine.version = p.replica
			}
		}},
		{name: "the fetch is filled and answered", do: func(p *play) {
			if mine == nil || mine.lost {
				return
			}
			p.fill(string(p.entity), asked, mine.began, []int32{0}, stored(mine.version))
			mine.over = true
			p.judge(mine.version, slices.Max(mine.need), "by a fetch")
		}},
	}
}

// storeChange is a change of the store; untold is how often the cache is to be told.
func storeChange(untold int) act {
	return act{name: "the store changes", do: func(p *play) {
		p.replaced = append(p.replaced, p.now)
		p.untold += untold
		if p.settle == 0 {
			p.replica = p.version()
		}
	}}
}

// takeOver has the fetcher that lags take over a change.
var takeOver = act{
	name:  "the fetcher takes it over",
	ready: func(p *play) bool { return p.replica < p.version() },
	do:    func(p *play) { p.replica++ },
}

// told is a step that tells the cache of a change.
func told(name string, do func(p *play)) act {
	return act{name: name, do: func(p *play) {
		do(p)
		p.untold--
		p.event = p.now
	}}
}

// clock is so many ticks. No tick passes while the fetcher has to take over a
// change within it.
func clock(ticks int) actor {
	tick := act{
		name:  "the clock ticks",
		ready: (*play).mayTick,
		do:    func(p *play) { p.now++; p.at(p.now) },
	}
	return slices.Repeat(actor{tick}, ticks)
}

func (p *play) mayTick() bool {
	return (p.replica == p.version() || p.now < p.replaced[p.replica+1]+p.settle) && !p.overdue()
}

// evict drops the row, as eviction does.
var evict = act{name: "the row is evicted", do: func(p *play) {
	p.shard(p.Cache.hash(p.entity)).Invalidate(string(p.entity))
}}

func (p *play) hold() time.Duration { return time.Duration(p.settle) * TickLength }

func (p *play) update() { p.Update(p.entity, [][]byte{p.feature}, p.hold()) }

// mark is a marker: twice, one settle apart.
func mark() actor {
	var first Tick
	return actor{
		told("a marker is seen", func(p *play) { first = p.now; p.Mark(p.cover) }),
		{
			name:  "the marker is repeated",
			ready: func(p *play) bool { return p.now >= first+p.settle },
			do:    func(p *play) { p.Mark(p.cover); p.untold--; p.event = p.now },
		},
	}
}

func TestNoOrderOfStepsServesAnOldValue(t *testing.T) {
	update := told("an update is read", (*play).update)
	for name, c := range map[string]struct {
		settle Tick
		actors func() []actor
	}{
		"an update, two readers": {0, func() []actor {
			return []actor{{storeChange(1), update}, reader(0), reader(0), clock(2)}
		}},
		"an update, a fetcher that lags": {1, func() []actor {
			return []actor{{storeChange(1), update}, {takeOver}, reader(1), clock(3)}
		}},
		"two updates, an eviction": {0, func() []actor {
			return []actor{{storeChange(1), update, storeChange(1), update}, reader(0), {evict}, clock(2)}
		}},
		"an upload, a fetcher that lags": {1, func() []actor {
			return []actor{append(actor{storeChange(2)}, mark()...), {takeOver}, reader(1), clock(3)}
		}},
		"an upload, two readers": {0, func() []actor {
			return []actor{append(actor{storeChange(2)}, mark()...), reader(0), reader(0), clock(1)}
		}},
		"a write that passes through": {1, func() []actor {
			drop := func(p *play) { p.Invalidate(p.entity, p.hold()) }
			return []actor{{
				{name: "a write is forwarded", do: func(p *play) { drop(p); p.untold++; p.event = p.now }},
				storeChange(0), told("the write is answered", drop),
			}, {takeOver}, reader(1), clock(3)}
		}},
		"a suspension": {1, func() []actor {
			var s *Suspension
			return []actor{{
				{name: "the feature is suspended", do: func(p *play) { s = p.Suspend(p.cover); p.untold++ }},
				storeChange(0),
				told("the suspension ends", func(p *play) { s.Resume(p.hold()) }),
			}, {takeOver}, reader(1), clock(3)}
		}},
		"a loss that is forgotten": {1, func() []actor {
			return []actor{{storeChange(1), told("all is forgotten", func(p *play) { p.Forget(p.cover, p.hold()) })}, {takeOver}, reader(1), clock(3)}
		}},
		"a value that a record brings": {1, func() []actor {
			return []actor{{storeChange(1), told("a record is read", (*play).applyRecord)}, {takeOver}, reader(1), clock(3)}
		}},
		"a record that comes again": {0, func() []actor {
			return []actor{{
				storeChange(1), told("a record is read", (*play).applyRecord),
				storeChange(2), told("a record is read", (*play).applyRecord),
				told("the first record comes again", func(p *play) { p.applyVersion(1) }),
			}, reader(0), clock(2)}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if broken := everyOrder(t, c.settle, c.actors); broken != "" {
				t.Fatal(broken)
			}
		})
	}
}

// applyRecord has the record of the store's version applied.
func (p *play) applyRecord() { p.applyVersion(p.version()) }

// applyVersion has the record of a version applied. A record comes at most a
// play late.
func (p *play) applyVersion(version int) {
	value := Value{Feature: p.feature, Bytes: []byte(stored(version))}
	p.Apply(p.entity, []Value{value}, int64(p.start)+int64(version), p.hold(), time.Duration(recordsLate)*TickLength)
}

// recordsLate is the lag that records are applied with.
const recordsLate Tick = 2

// What the test above wants is not given by itself: told wrongly, the cache
// serves old values, and an order is found in which it does.
func TestAnOrderIsFoundThatBreaksThePromise(t *testing.T) {
	for name, c := range map[string]struct {
		settle Tick
		actors func() []actor
	}{
		"a settle shorter than the lag": {1, func() []actor {
			short := told("an update is read", func(p *play) { p.Update(p.entity, [][]byte{p.feature}, 0) })
			return []actor{{storeChange(1), short}, {takeOver}, reader(1), clock(3)}
		}},
		"an update before its write": {0, func() []actor {
			early := act{name: "an update is read", do: func(p *play) { p.update(); p.event = p.now }}
			return []actor{{early, storeChange(0)}, reader(0), clock(2)}
		}},
		"a marker that is not repeated": {1, func() []actor {
			return []actor{{storeChange(1), told("a marker is seen", func(p *play) { p.Mark(p.cover) })}, {takeOver}, reader(1), clock(3)}
		}},
		"a change without a word": {0, func() []actor {
			return []actor{{storeChange(0)}, reader(0), clock(2)}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			broken := everyOrder(t, c.settle, c.actors)
			if broken == "" {
				t.Fatal("no order breaks the promise")
			}
			t.Log(broken)
		})
	}
}
