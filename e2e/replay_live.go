//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"
)

const (
	liveLag      = 200 * time.Millisecond // of a fetcher, at most
	liveSettle   = time.Second            // what fsproxy is told of it
	liveMaxLag   = 2 * time.Second        // of the stream, and of silence about markers
	liveInterval = 200 * time.Millisecond // between looks at the markers
	liveFetch    = time.Second            // upstream.fetch_timeout
	// liveBound is B, as docs/CONSISTENCY.md has it, and half a second for a
	// machine that is busy.
	liveBound = liveMaxLag + liveSettle + liveFetch + 500*time.Millisecond
	// liveDay is how long a day of flights takes: longer than liveBound, or no
	// answer could be too old.
	liveDay = 6 * time.Second
)

// windowCount is the number of features that an upload brings each morning,
// behind which featureNames has those of the last flight.
const windowCount = len(windows) * 7

// uploadedDaily tells which of an entity type's features an upload brings; an
// update after each flight brings the others.
func uploadedDaily(i int) bool {
	return i < windowCount || lastFeatures[i-windowCount].name == "days_since_flight"
}

// live replays days of flights in front of a store that learns from them: an
// upload each morning, with markers, and an update after each flight.
type live struct {
	*recorded
	pasts    [len(entityTypes)]past
	fields   [len(entityTypes)][]string
	updates  chan queued
	versions int64
	uploads  sync.WaitGroup
}

func startLive(t testing.TB, before []flight, day int) *live {
	t.Helper()
	l := &live{recorded: startRecorded(t, 1, liveLag), updates: make(chan queued, updatesQueued)}
	for i, entityType := range entityTypes {
		l.pasts[i], l.fields[i] = past{}, featureFields(entityType)
	}
	for _, f := range before {
		addFlight(&l.pasts, f)
	}
	for i := range l.pasts {
		for entity, h := range l.pasts[i] {
			for j, v := range h.values(day) {
				l.add(cell{entity, l.fields[i][j]}, stored(v), time.Time{})
			}
		}
	}
	l.recorded.load(t)
	return l
}

// stored is a value as the store has it: zero is not stored.
func stored(v float64) string {
	if v == 0 {
		return ""
	}
	return strconv.FormatFloat(v, 'g', featurePrecision, 64)
}

// changed returns the features of an entity that are not what the store has, of
// those that wanted tells.
func (l *live) changed(kind int, entity string, today int, wanted func(i int) bool) hash {
	values := l.pasts[kind][entity].values(today)
	l.mu.Lock()
	defer l.mu.Unlock()
	changed := hash{}
	for i, v := range values {
		if f := l.fields[kind][i]; wanted(i) && l.now(cell{entity, f}) != stored(v) {
			changed[f] = stored(v)
		}
	}
	return changed
}

// upload stores, while flights go on, the features of the morning of a day, and
// then their markers.
func (l *live) upload(day int) {
	table, markers := map[string]hash{}, hash{}
	for kind := range l.pasts {
		for entity := range l.pasts[kind] {
			if changed := l.changed(kind, entity, day, uploadedDaily); len(changed) > 0 {
				table[entity] = changed
			}
		}
		for i, f := range l.fields[kind] {
			if uploadedDaily(i) {
				markers[f] = strconv.Itoa(day)
			}
		}
	}
	l.uploads.Go(func() {
		told := map[cell]int{}
		for entity, values := range table {
			l.change(entity, values, func(numbers map[string]int) {
				for f, n := range numbers {
					told[cell{entity, f}] = n
				}
			})
		}
		l.mark(markers, told)
	})
}

// land stores what a flight teaches of its entities, and sends an update of
// each.
func (l *live) land(f flight) {
	addFlight(&l.pasts, f)
	for kind, entity := range f.entities() {
		if l.pasts[kind][entity] == nil {
			continue // an aircraft without a number
		}
		values := l.changed(kind, entity, f.day, func(i int) bool { return !uploadedDaily(i) })
		if len(values) == 0 {
			continue
		}
		l.versions++
		l.change(entity, values, func(numbers map[string]int) {
			l.updates <- queued{
				topic: updateTopic, kafkaRecord: kafkaRecord{entity, jsonRecord(entity, values, l.versions)},
				told: cellsOf(entity, numbers),
			}
		})
	}
}

// fly hands flights out in their order, each day in liveDay.
func (l *live) fly(ctx context.Context, flights []flight, next chan<- flight) error {
	began := time.Now()
	perDay := map[int]int{}
	for _, f := range flights {
		perDay[f.day]++
	}
	first, flown := flights[0].day, 0
	for i, f := range flights {
		if i > 0 && f.day != flights[i-1].day {
			flown = 0
			l.upload(f.day)
		}
		due := time.Duration(f.day-first)*liveDay + liveDay*time.Duration(flown)/time.Duration(perDay[f.day])
		sleep(ctx, time.Until(began.Add(due)))
		select {
		case next <- f:
		case <-ctx.Done():
			return ctx.Err()
		}
		l.land(f)
		flown++
	}
	return nil
}

// liveReplayer is one connection's part of a live replay.
type liveReplayer struct {
	*live
	wire   *wire
	models []model
	tally  replayTally
	oldest time.Duration
}

// predict reads the features of a flight in one pipeline and judges each value.
func (r *liveReplayer) predict(f flight) error {
	m := r.models[f.number%len(r.models)]
	var pipeline []byte
	for i, entity := range f.entities() {
		pipeline = appendCommand(pipeline, append([]string{"HMGET", entity}, m.projections[i]...)...)
	}
	asked := time.Now()
	answers, err := r.wire.exchange(pipeline, len(entityTypes))
	if err != nil {
		return fmt.Errorf("prediction %d through fsproxy: %w", r.tally.predictions+1, err)
	}
	for i, entity := range f.entities() {
		values, ok := bulkValues(answers[i])
		if !ok || len(values) != len(m.projections[i]) {
			return fmt.Errorf("%s was answered %.200q", entity, answers[i])
		}
		for j, field := range m.projections[i] {
			r.check(cell{entity, field}, values[j], asked)
		}
	}
	r.tally.predictions++
	r.tally.requests += len(entityTypes)
	return nil
}

// check judges one value.
func (r *liveReplayer) check(c cell, value string, asked time.Time) {
	r.tally.fields++
	v, err := r.judge(c, value, asked, liveSettle)
	if err == nil && !v.excused {
		r.oldest = max(r.oldest, v.age)
		if v.age > liveBound {
			err = fmt.Errorf("%s %s was answered %q, which was not so any more since %v, %v are promised", c.entity, c.field, value, v.age, liveBound)
		}
	}
	if err != nil {
		r.tally.mismatches++
		if len(r.tally.shown) < shownMismatches {
			r.tally.shown = append(r.tally.shown, err.Error())
		}
	}
}
