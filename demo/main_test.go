package demo

import (
	"io"
	"log/slog"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTestFleet(t *testing.T, shards, nodes int) *Fleet {
	t.Helper()
	fleet, err := NewFleet(shards, nodes, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fleet.Close)
	return fleet
}

func newTestStream(t *testing.T) *Stream {
	t.Helper()
	stream, err := NewStream()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stream.Close)
	return stream
}

// newTestData is NewData with the most popular entities alone.
func newTestData(seed uint64, population int) *Data {
	d := NewData(seed)
	for i := range d.kinds {
		d.kinds[i].population = population
		d.entities[i] = d.entities[i][:population]
	}
	return d
}
