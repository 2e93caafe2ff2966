package demo

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/cluster"
)

func TestDataFollowFromTheSeed(t *testing.T) {
	a, again, other := NewData(7), NewData(7), NewData(8)
	if !reflect.DeepEqual(a, again) {
		t.Error("one seed gives different entities or models")
	}
	if slices.Equal(a.entities[store], other.entities[store]) || reflect.DeepEqual(a.models, other.models) {
		t.Error("two seeds give the same entities or models")
	}
	differ := false
	for kind := range a.kinds {
		for i := range 50 {
			if !slices.Equal(a.values(kind, i), again.values(kind, i)) {
				t.Errorf("one seed gives different values of entity %d of kind %d", i, kind)
			}
			differ = differ || !slices.Equal(a.values(kind, i), other.values(kind, i))
		}
	}
	if !differ {
		t.Error("two seeds give the same values")
	}
}

func TestEntitiesAreDistinctAndSayTheirKind(t *testing.T) {
	d := NewData(1)
	seen := make(map[string]bool)
	for i, entities := range d.entities {
		if len(entities) != d.kinds[i].population {
			t.Errorf("%d entities of kind %d", len(entities), i)
		}
		for _, e := range entities {
			if seen[e] || !strings.HasPrefix(e, []string{"st_", "cx_", "dr_"}[i]) {
				t.Errorf("entity %s of kind %d, seen %t", e, i, seen[e])
			}
			seen[e] = true
		}
	}
	if d.Entities() != len(seen) {
		t.Errorf("Entities() = %d, there are %d", d.Entities(), len(seen))
	}
}

func TestEachFetcherHoldsItsShardWholeAndNothingElse(t *testing.T) {
	d, fleet := newTestData(1, 100), newTestFleet(t, 2, 2)
	features, err := d.Store(t.Context(), fleet)
	if err != nil {
		t.Fatal(err)
	}
	counted := 0
	for kind, entities := range d.entities {
		for i, entity := range entities {
			want := make(map[string]string)
			for pairs := d.values(kind, i); len(pairs) > 0; pairs = pairs[2:] {
				want[pairs[0]] = pairs[1]
			}
			counted += len(want)
			owner := int(cluster.Slot([]byte(entity))) / (cluster.Slots / 2)
			checkHeld(t, fleet, owner, entity, want)
		}
	}
	if counted != features {
		t.Errorf("Store counted %d features, there are %d", features, counted)
	}
}

// checkHeld checks that the fetchers of the owner, and they alone, have want.
func checkHeld(t *testing.T, fleet *Fleet, owner int, entity string, want map[string]string) {
	t.Helper()
	for shard, fetchers := range fleet.shards {
		for _, fetcher := range fetchers {
			keys, _ := fetcher.HKeys(entity)
			if shard != owner && len(keys) > 0 || shard == owner && len(keys) != len(want) {
				t.Errorf("%s of shard %d: shard %d has %d of its %d features", entity, owner, shard, len(keys), len(want))
			}
			for _, key := range keys {
				if fetcher.HGet(entity, key) != want[key] {
					t.Errorf("%s %s: %q, want %q", entity, key, fetcher.HGet(entity, key), want[key])
				}
			}
		}
	}
}

func TestStoringEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if n, err := newTestData(1, 10).Store(ctx, newTestFleet(t, 1, 1)); n != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("stored %d features, %v", n, err)
	}
}

func TestTheExampleIsStoredAndReadable(t *testing.T) {
	for seed := range uint64(20) {
		d := NewData(seed)
		entity, features := d.Example()
		pairs := d.values(store, slices.Index(d.entities[store], entity))
		if len(features) == 0 {
			t.Fatalf("seed %d: no feature of %s", seed, entity)
		}
		for _, f := range features {
			if !slices.Contains(pairs, f.ID) || f.form == embedding {
				t.Errorf("seed %d: %s %s", seed, entity, f.Name)
			}
		}
	}
}
