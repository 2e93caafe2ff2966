//go:build e2e

package e2e

import (
	"fmt"
	"iter"
	"strconv"

	"github.com/fsproxy/fsproxy/feature"
)

// entityTypes are the kinds of entity that a flight reads features of.
var entityTypes = [...]string{"carrier", "tail", "origin", "dest", "route"}

// windows are the spans, in days, over which statistics are taken.
var windows = [...]int{1, 7, 28}

const (
	// longestWindow is the longest of windows; days that far back are kept.
	longestWindow = 28
	// lateMinutes is the delay from which a flight counts as late.
	lateMinutes = 15
	// featurePrecision is the number of digits that a value is stored with.
	featurePrecision = 6
)

// totals adds up flights.
type totals struct {
	flights, departed, arrived int
	depLate, arrLate           int
	depDelay, arrDelay         float64 // sums, minutes
	airTime                    float64 // sum, minutes
}

func (t *totals) add(f flight) {
	t.flights++
	if f.departed {
		t.departed++
		t.depDelay += f.depDelay
		if f.depDelay >= lateMinutes {
			t.depLate++
		}
	}
	if f.arrived {
		t.arrived++
		t.arrDelay += f.arrDelay
		t.airTime += f.airTime
		if f.arrDelay >= lateMinutes {
			t.arrLate++
		}
	}
}

func (t *totals) merge(o totals) {
	t.flights += o.flights
	t.departed += o.departed
	t.arrived += o.arrived
	t.depLate += o.depLate
	t.arrLate += o.arrLate
	t.depDelay += o.depDelay
	t.arrDelay += o.arrDelay
	t.airTime += o.airTime
}

// windowFeatures are the features taken over each of windows.
var windowFeatures = []struct {
	name  string
	value func(totals) float64
}{
	{"flights", func(t totals) float64 { return float64(t.flights) }},
	{"cancel_rate", func(t totals) float64 { return ratio(t.flights-t.departed, t.flights) }},
	{"dep_delay_mean", func(t totals) float64 { return mean(t.depDelay, t.departed) }},
	{"arr_delay_mean", func(t totals) float64 { return mean(t.arrDelay, t.arrived) }},
	{"dep_late_rate", func(t totals) float64 { return ratio(t.depLate, t.departed) }},
	{"arr_late_rate", func(t totals) float64 { return ratio(t.arrLate, t.arrived) }},
	{"air_time_mean", func(t totals) float64 { return mean(t.airTime, t.arrived) }},
}

// lastFeatures are the features of an entity's latest flight and its past as a
// whole.
var lastFeatures = []struct {
	name  string
	value func(h *history, today int) float64
}{
	{"last_dep_delay", func(h *history, _ int) float64 { return h.last.depDelay }},
	{"last_arr_delay", func(h *history, _ int) float64 { return h.last.arrDelay }},
	{"last_air_time", func(h *history, _ int) float64 { return h.last.airTime }},
	{"days_since_flight", func(h *history, today int) float64 { return float64(today - h.last.day) }},
	{"flights_total", func(h *history, _ int) float64 { return float64(h.all.flights) }},
}

// mean returns sum/n, and 0, which is not stored, where there is none.
func mean(sum float64, n int) float64 {
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

func ratio(part, n int) float64 { return mean(float64(part), n) }

// featureNames returns the names of all features of an entity type, in the
// order of history.values.
func featureNames(entityType string) []string {
	var names []string
	for _, days := range windows {
		for _, f := range windowFeatures {
			names = append(names, fmt.Sprintf("daf_%s_%s_%dd", entityType, f.name, days))
		}
	}
	for _, f := range lastFeatures {
		names = append(names, fmt.Sprintf("daf_%s_%s", entityType, f.name))
	}
	return names
}

// featureFields returns the hash fields of all features of an entity type.
func featureFields(entityType string) []string {
	fields := featureNames(entityType)
	for i, name := range fields {
		fields[i] = feature.ID(name)
	}
	return fields
}

// history is the past of one entity.
type history struct {
	byDay map[int]totals // by day of the year, the last longestWindow days
	all   totals
	last  flight
}

func (h *history) add(f flight) {
	day := h.byDay[f.day]
	day.add(f)
	h.byDay[f.day] = day
	h.all.add(f)
	h.last = f
}

// values returns the features as of the morning of today.
func (h *history) values(today int) []float64 {
	var values []float64
	for _, days := range windows {
		var t totals
		for day := today - days; day < today; day++ {
			t.merge(h.byDay[day])
		}
		for _, f := range windowFeatures {
			values = append(values, f.value(t))
		}
	}
	for _, f := range lastFeatures {
		values = append(values, f.value(h, today))
	}
	delete(h.byDay, today-longestWindow) // no later day asks for it
	return values
}

// past holds the histories of all entities of an entity type, by key.
type past map[string]*history

// hashes returns what the store holds of these entities on the morning of
// today: zero and unknown features are not stored.
func (p past) hashes(today int, fields []string, into map[string]hash) {
	for key, h := range p {
		stored := hash{}
		for i, v := range h.values(today) {
			if v != 0 {
				stored[fields[i]] = strconv.FormatFloat(v, 'g', featurePrecision, 64)
			}
		}
		if len(stored) > 0 {
			into[key] = stored
		}
	}
}

// dailyTables yields, for each day from first on, what the store holds that
// morning: the features of all flights before it. flights are in order of
// time.
func dailyTables(flights []flight, first int) iter.Seq2[int, map[string]hash] {
	return func(yield func(int, map[string]hash) bool) {
		var pasts [len(entityTypes)]past
		var fields [len(entityTypes)][]string
		for i, entityType := range entityTypes {
			pasts[i], fields[i] = past{}, featureFields(entityType)
		}
		next := 0
		for day := first; day <= flights[len(flights)-1].day; day++ {
			for ; flights[next].day < day; next++ {
				addFlight(&pasts, flights[next])
			}
			table := map[string]hash{}
			for i := range pasts {
				pasts[i].hashes(day, fields[i], table)
			}
			if !yield(day, table) {
				return
			}
		}
	}
}

// addFlight adds a flight to the past of each of its entities.
func addFlight(pasts *[len(entityTypes)]past, f flight) {
	for i, key := range f.entities() {
		if entityTypes[i] == "tail" && f.tail == absent {
			continue // read all the same, and never found
		}
		h := pasts[i][key]
		if h == nil {
			h = &history{byDay: map[int]totals{}}
			pasts[i][key] = h
		}
		h.add(f)
	}
}
