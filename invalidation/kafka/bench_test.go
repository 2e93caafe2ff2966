package kafka

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/invalidation"
)

// idle is a memory that does nothing.
type idle struct{ invalidation.Memory }

func (idle) Update([]byte, [][]byte, time.Duration) {}

// BenchmarkTake reads fetched batches of 1000 JSON records of five features. What
// it says is per record.
func BenchmarkTake(b *testing.B) {
	cover, err := feature.NewCover([]string{"*"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	cfg := TopicConfig{Guard: invalidation.GuardConfig{Name: updates, Cover: cover}, Format: FormatJSON}
	topic, err := newTopic(cfg, Config{}, idle{}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	const records = 1000
	var payload []byte
	for i := range int64(records) {
		value := fmt.Sprintf(`{"entity":"st_%d","features":{"2496559762":"0.25","1170383926":17,"3383287760":1,"orders":3,"eta":12.5},"version":%d}`, i, i)
		payload = append(payload, rawRecord(i, []byte("key"), []byte(value))...)
	}
	batch := rawBatch(0, records-1, 0, -1, records, payload)
	b.ReportAllocs()
	for n := 0; n < b.N; n += records {
		p := &partition{topic: topic}
		p.place(0, time.Now())
		if err := p.take(p.turn, fetched{records: bytes.Clone(batch)}); err != nil {
			b.Fatal(err)
		}
	}
}
