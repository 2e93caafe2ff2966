package kafka

import "github.com/segmentio/kafka-go/protocol"

// offsetsVersion is the version of the request for offsets that is spoken.
const offsetsVersion = 2

// Times that stand for an offset.
const (
	atEnd   = int64(-1)
	atFirst = int64(-2)
)

// partitionKey names a partition.
type partitionKey struct {
	topic     string
	partition int32
}

// offsetAnswer is an offset, or why it could not be told.
type offsetAnswer struct {
	code   int16
	offset int64 // -1: there is no record so late
}

// offsetsRequest asks a broker for the offsets of partitions that it leads: the
// end (whether transactions that wrote it are complete or not), the first, or
// the first record at or after a time.
type offsetsRequest struct {
	asks    map[partitionKey]int64 // milliseconds since 1970, atEnd or atFirst
	answers map[partitionKey]offsetAnswer
}

func (*offsetsRequest) api() protocol.ApiKey { return protocol.ListOffsets }

func (*offsetsRequest) version(broker span) (int16, bool, error) {
	if broker.has(offsetsVersion) {
		return offsetsVersion, false, nil
	}
	return 0, false, tooOld(broker, "offset")
}

func (r *offsetsRequest) encode(e *encoder, _ int16) {
	topics := make(map[string][]int32)
	for key := range r.asks {
		topics[key.topic] = append(topics[key.topic], key.partition)
	}
	e.int32(-1) // no replica
	e.int8(0)   // open transactions count: what they wrote is still to be read
	e.array(len(topics))
	for name, partitions := range topics {
		e.text(name)
		e.array(len(partitions))
		for _, partition := range partitions {
			e.int32(partition)
			e.int64(r.asks[partitionKey{name, partition}])
		}
	}
}

func (r *offsetsRequest) decode(d *decoder, _ int16) error {
	r.answers = make(map[partitionKey]offsetAnswer, len(r.asks))
	d.int32() // throttled
	for n := d.array(); n > 0 && !d.failed; n-- {
		name := d.text()
		for n := d.array(); n > 0 && !d.failed; n-- {
			key := partitionKey{name, d.int32()}
			code := d.int16()
			d.int64() // time of the record
			r.answers[key] = offsetAnswer{code: code, offset: d.int64()}
		}
	}
	return d.err()
}
