package model

import (
	"fmt"
	"slices"
)

// Result is what a walk found.
type Result struct {
	States   int
	Oldest   int      // of the values served: ticks since it was replaced
	Broken   string   // how the promise was broken; empty: it was not
	Schedule []string // the shortest that leads there
}

// walker walks one scenario under some rules.
type walker struct {
	Scenario
	Rules
	next   []reached // from the state that is looked at
	oldest int
}

// reached is a state one step on.
type reached struct {
	state
	step   string
	broken string
}

// visit says how a state was first walked to.
type visit struct {
	from int // of visits
	step string
}

// Walk visits every state of a scenario, those reached in fewest steps first,
// until it finds the promise broken.
func Walk(scenario Scenario, rules Rules) Result {
	w := &walker{Scenario: scenario, Rules: rules}
	first := w.start()
	seen := map[state]struct{}{first: {}}
	states, visits := []state{first}, []visit{{from: none}}
	schedule := func(i int, last string) []string {
		steps := []string{last}
		for ; visits[i].from != none; i = visits[i].from {
			steps = append(steps, visits[i].step)
		}
		slices.Reverse(steps)
		return steps
	}
	for i := 0; i < len(states); i++ {
		if broken := w.checkMemory(&states[i]); broken != "" {
			return Result{len(states), w.oldest, broken, schedule(i, "a reader is answered from memory")}
		}
		w.next = w.next[:0]
		w.steps(states[i])
		for _, n := range w.next {
			if n.broken != "" {
				return Result{len(states), w.oldest, n.broken, schedule(i, n.step)}
			}
			n.forgetPast(w)
			if _, known := seen[n.state]; known {
				continue
			}
			seen[n.state] = struct{}{}
			states, visits = append(states, n.state), append(visits, visit{i, n.step})
		}
	}
	return Result{States: len(states), Oldest: w.oldest}
}

// add takes note of a step to s.
func (w *walker) add(s state, step string) { w.next = append(w.next, reached{state: s, step: step}) }

// steps finds all that may happen next.
func (w *walker) steps(s state) {
	w.storeSteps(s)
	if w.streams() {
		w.streamSteps(s)
	}
	if w.marks() {
		w.markerSteps(s)
	}
	w.writeSteps(s)
	w.readSteps(s)
	w.restartSteps(s)
	w.tick(s)
}

// checkMemory judges what a reader would be answered from memory now.
func (w *walker) checkMemory(s *state) string {
	if !w.hit(s) && !w.stale(s) {
		return ""
	}
	return w.judge(s, s.row.value, w.need(s))
}

// need is the version that a reader who asks now must at least be answered with:
// the store's own, where all is at rest.
func (w *walker) need(s *state) int8 {
	if s.quiet(w.Settle + w.Stale) {
		return s.version
	}
	return 0
}

// judge tells how an answer breaks the promise, if it does.
func (w *walker) judge(s *state, value, need int8) string {
	age := 0
	if value < s.version {
		age = int(s.now - s.replaced[value+1])
	}
	w.oldest = max(w.oldest, age)
	switch {
	case age > w.B:
		return fmt.Sprintf("version %d is served %d ticks after it was replaced, the bound is %d", value, age, w.B)
	case value < need:
		return fmt.Sprintf("version %d is served although all is at rest and the store has version %d", value, need)
	}
	return ""
}
