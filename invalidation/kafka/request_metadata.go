package kafka

import (
	"fmt"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// Versions of the metadata request that are spoken: the first that asks not to
// make topics that do not exist, and the first that is safe to ask for the
// identity of topics (Kafka 3.1).
const (
	metadataPlain = 4
	metadataIDs   = 12
)

// layout is which topics there are and who leads their partitions.
type layout struct {
	topics  map[string]topicLayout
	brokers []int32
}

type topicLayout struct {
	err        error // a kafkago.Error; nil: the topic is there
	id         topicID
	partitions []partitionLayout
}

type partitionLayout struct {
	index  int32
	leader int32 // negative: none
}

// metadataRequest asks for the layout of topics.
type metadataRequest struct {
	topics []string
	layout layout // the answer
}

func (*metadataRequest) api() protocol.ApiKey { return protocol.Metadata }

func (*metadataRequest) version(broker span) (int16, bool, error) {
	switch {
	case broker.has(metadataIDs):
		return metadataIDs, true, nil
	case broker.has(metadataPlain):
		return metadataPlain, false, nil
	}
	return 0, false, tooOld(broker, "metadata")
}

// tooOld says that no version of a request is known to both sides.
func tooOld(broker span, what string) error {
	return fmt.Errorf("the broker takes %s requests of versions %d to %d; Kafka 1.0 or newer is needed", what, broker.low, broker.high)
}

func (r *metadataRequest) encode(e *encoder, version int16) {
	e.array(len(r.topics))
	for _, name := range r.topics {
		if version >= metadataIDs {
			e.id(topicID{})
		}
		e.text(name)
		e.tags()
	}
	e.int8(0) // make no topics
	if version >= metadataIDs {
		e.int8(0) // do not say what we may do with them
	}
	e.tags()
}

func (r *metadataRequest) decode(d *decoder, version int16) error {
	d.int32() // throttled
	for n := d.array(); n > 0 && !d.failed; n-- {
		r.layout.brokers = append(r.layout.brokers, d.int32())
		d.text() // host
		d.int32()
		d.text() // rack
		d.tags()
	}
	d.text()  // cluster
	d.int32() // controller
	r.layout.topics = make(map[string]topicLayout)
	for n := d.array(); n > 0 && !d.failed; n-- {
		var t topicLayout
		if code := d.int16(); code != 0 {
			t.err = kafkago.Error(code)
		}
		name := d.text()
		if version >= metadataIDs {
			t.id = d.id()
		}
		d.int8() // internal
		for n := d.array(); n > 0 && !d.failed; n-- {
			t.partitions = append(t.partitions, decodePartition(d, version))
		}
		if version >= metadataIDs {
			d.int32() // what we may do with it
		}
		d.tags()
		r.layout.topics[name] = t
	}
	d.tags()
	return d.err()
}

func decodePartition(d *decoder, version int16) partitionLayout {
	d.int16() // its error says no more than a negative leader
	p := partitionLayout{index: d.int32(), leader: d.int32()}
	if version >= metadataIDs {
		d.int32() // leader's epoch
	}
	d.int32s() // replicas
	d.int32s() // those in sync
	if version >= metadataIDs {
		d.int32s() // those offline
	}
	d.tags()
	return p
}
