package kafka

import (
	"slices"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Versions of the fetch request that are spoken: one that names topics, and the
// first that identifies them, so that a topic made again is never read in place
// of the one before (Kafka 3.1).
const (
	fetchNames = 5
	fetchIDs   = 13
)

const (
	// fetchWait is how long a broker holds a fetch back until there is something.
	fetchWait = 500 * time.Millisecond

	// fetchBytes bounds the reply of a broker, and fetchPartitionBytes what each
	// partition adds, so that 64 busy partitions of a broker take no more memory
	// than four.
	fetchBytes          = 4 << 20
	fetchPartitionBytes = 1 << 20
)

// fetchAsk is a partition to read, and from which offset.
type fetchAsk struct {
	key    partitionKey
	id     topicID
	offset int64
}

// fetched is what a broker has of a partition.
type fetched struct {
	code    int16
	aborted []abortedTransaction
	records []byte // batches, the last of which may be cut off; valid until the buffer is used again
}

// abortedTransaction is a producer whose records from an offset on, up to its
// abort marker, are not to be read.
type abortedTransaction struct {
	producer, first int64
}

// fetchRequest reads partitions that a broker leads. Records of transactions
// are sent when these are complete.
type fetchRequest struct {
	asks []fetchAsk
	got  map[partitionKey]fetched
}

func (*fetchRequest) api() protocol.ApiKey { return protocol.Fetch }

func (r *fetchRequest) version(broker span) (int16, bool, error) {
	anonymous := slices.ContainsFunc(r.asks, func(a fetchAsk) bool { return a.id == topicID{} })
	switch {
	case broker.has(fetchIDs) && !anonymous:
		return fetchIDs, true, nil
	case broker.has(fetchNames):
		return fetchNames, false, nil
	}
	return 0, false, tooOld(broker, "fetch")
}

func (r *fetchRequest) encode(e *encoder, version int16) {
	byTopic := make(map[string][]fetchAsk)
	var order []string // that of asks, which is the order in which a broker fills its reply
	for _, ask := range r.asks {
		if byTopic[ask.key.topic] == nil {
			order = append(order, ask.key.topic)
		}
		byTopic[ask.key.topic] = append(byTopic[ask.key.topic], ask)
	}
	e.int32(-1) // no replica
	e.int32(int32(fetchWait.Milliseconds()))
	e.int32(1) // byte is enough
	e.int32(fetchBytes)
	e.int8(int8(kafkago.ReadCommitted))
	if version >= fetchIDs {
		e.int32(0)  // no session
		e.int32(-1) // and none wanted
	}
	e.array(len(order))
	for _, name := range order {
		asks := byTopic[name]
		if version >= fetchIDs {
			e.id(asks[0].id)
		} else {
			e.text(name)
		}
		e.array(len(asks))
		for _, ask := range asks {
			encodeAsk(e, ask, version)
		}
		e.tags()
	}
	if version >= fetchIDs {
		e.array(0) // nothing to forget of a session
		e.text("") // no rack
	}
	e.tags()
}

func encodeAsk(e *encoder, ask fetchAsk, version int16) {
	e.int32(ask.key.partition)
	if version >= fetchIDs {
		e.int32(-1) // leader's epoch: whatever it is
	}
	e.int64(ask.offset)
	if version >= fetchIDs {
		e.int32(-1) // epoch of the last record read: not checked
	}
	e.int64(-1) // only replicas have a log of their own
	e.int32(fetchPartitionBytes)
	e.tags()
}

func (r *fetchRequest) decode(d *decoder, version int16) error {
	names := make(map[topicID]string)
	for _, ask := range r.asks {
		names[ask.id] = ask.key.topic
	}
	r.got = make(map[partitionKey]fetched, len(r.asks))
	d.int32() // throttled
	if version >= fetchIDs {
		if code := d.int16(); code != 0 {
			return kafkago.Error(code)
		}
		d.int32() // session
	}
	for n := d.array(); n > 0 && !d.failed; n-- {
		var name string
		if version >= fetchIDs {
			name = names[d.id()]
		} else {
			name = d.text()
		}
		for n := d.array(); n > 0 && !d.failed; n-- {
			partition, got := decodeFetched(d, version)
			r.got[partitionKey{name, partition}] = got
		}
		d.tags()
	}
	d.tags()
	return d.err()
}

func decodeFetched(d *decoder, version int16) (partition int32, got fetched) {
	partition, got.code = d.int32(), d.int16()
	d.int64() // end
	d.int64() // end of what is committed
	d.int64() // first offset
	for n := d.array(); n > 0 && !d.failed; n-- {
		got.aborted = append(got.aborted, abortedTransaction{producer: d.int64(), first: d.int64()})
		d.tags()
	}
	if version >= fetchIDs {
		d.int32() // a replica to read from instead
	}
	got.records = d.bytes()
	d.tags()
	return partition, got
}
