package demo

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/pause"
)

func TestAnUpdateIsInTheFleetWhenTheStreamTellsOfIt(t *testing.T) {
	data, fleet, stream := newTestData(1, 20), newTestFleet(t, 2, 2), newTestStream(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	changes := NewChanges(data, fleet, stream, 500, 0)
	ended := make(chan error, 1)
	go func() { ended <- changes.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: stream.Brokers(), Topic: Topic, Partition: 0, MaxWait: 50 * time.Millisecond})
	defer reader.Close()
	for range 5 {
		m, err := reader.ReadMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		field := strings.Split(string(m.Value), `"`)[7]
		if !fleet.has(string(m.Key), field) {
			t.Errorf("%s: the fleet does not have it", m.Value)
		}
	}
}

func TestAnUploadEndsWithItsMarkerOnEveryNode(t *testing.T) {
	data, fleet := newTestData(1, 20), newTestFleet(t, 2, 2)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	changes := NewChanges(data, fleet, newTestStream(t), 0, 10*time.Millisecond)
	ended := make(chan error, 1)
	go func() { ended <- changes.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	shard, _ := fleet.topology.ShardOf(cluster.Slot([]byte(MarkerKey)))
	for {
		marked, _ := fleet.shards[shard][1].HKeys(MarkerKey)
		if len(marked) > 0 {
			if !strings.HasPrefix(marked[0], batch) {
				t.Errorf("a marker of %s", marked[0])
			}
			return
		}
		if !pause.For(ctx, 5*time.Millisecond) {
			t.Fatal("no marker on the second node")
		}
	}
}

func TestTypedCommandsKillAndReviveFetchersOneByOne(t *testing.T) {
	fleet := newTestFleet(t, 2, 2)
	var said strings.Builder
	keys := NewKeys(strings.NewReader("k\nk\nk\nk\nk\nr\n\nwhat\n"), fleet, NewScreen(&said))
	keys.Run()
	if up, all := fleet.Up(); up != 1 || all != 4 || !keys.Killed() {
		t.Errorf("%d of %d run", up, all)
	}
	for _, want := range []string{"killed the fetcher 127", "no fetcher runs any more", "revived the fetcher 127", "r and Enter revives it"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("no %q in %q", want, said.String())
		}
	}
	NewKeys(strings.NewReader("r\nr\nr\nr\n"), fleet, NewScreen(&said)).Run()
	if up, _ := fleet.Up(); up != 4 || !strings.Contains(said.String(), "all fetchers run") {
		t.Errorf("%d run; said %q", up, said.String())
	}
}
