package kafka

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/segmentio/kafka-go/protocol"
)

const (
	// maxFrameBytes bounds a reply. A fetch is answered with what was asked for,
	// or with a single batch where that alone is larger, and Kafka lets a topic's
	// max.message.bytes be anything.
	maxFrameBytes = 64 << 20

	// keepFrameBytes is how large a buffer is kept for the next reply.
	keepFrameBytes = 8 << 20
)

// clientID is how brokers see us in their logs and quotas.
const clientID = "fsproxy"

// anyBroker is whichever of the brokers to begin with answers.
const anyBroker = int32(-1)

// span is the range of versions of a request that a broker takes.
type span struct{ low, high int16 }

func (s span) has(version int16) bool { return s.low <= version && version <= s.high }

// request is one of ours.
type request interface {
	api() protocol.ApiKey
	// version chooses one of those that the broker takes, and tells whether it
	// has the compact form.
	version(broker span) (version int16, compact bool, err error)
	encode(e *encoder, version int16)
	decode(d *decoder, version int16) error
}

// exchange is a request on its way to a broker. kafka-go chooses the connection
// and lets us write and read on it.
//
// RawExchange runs in a goroutine of kafka-go's, which may go on after the caller
// gave up. So nothing in an exchange is touched again unless it was answered.
type exchange struct {
	request
	broker int32
	spans  *spans
	buffer []byte // for the reply; decode may keep parts of it
}

var correlations atomic.Int32

// ApiKey implements protocol.Message.
func (x *exchange) ApiKey() protocol.ApiKey { return x.api() }

// Broker implements protocol.BrokerMessage.
func (x *exchange) Broker(protocol.Cluster) (protocol.Broker, error) {
	return protocol.Broker{ID: x.broker}, nil
}

// Required implements protocol.RawExchanger.
func (x *exchange) Required(map[protocol.ApiKey]int16) bool { return true }

// RawExchange implements protocol.RawExchanger.
func (x *exchange) RawExchange(connection io.ReadWriter) (protocol.Message, error) {
	taken, err := x.spans.of(x.broker, connection)
	if err != nil {
		return nil, fmt.Errorf("ask which versions the broker takes: %w", err)
	}
	broker, known := taken[x.api()]
	if !known {
		return nil, fmt.Errorf("the broker does not take %v requests", x.api())
	}
	version, compact, err := x.version(broker)
	if err != nil {
		return nil, err
	}
	e := &encoder{compact: compact}
	id := correlations.Add(1)
	header(e, x.api(), version, id)
	x.encode(e, version)
	d, err := roundTrip(connection, e, id, x.buffer)
	if err != nil {
		x.spans.forget(x.broker)
		return nil, err
	}
	x.buffer = d.b[:0]
	d.compact = compact
	d.tags()
	if err := x.decode(d, version); err != nil {
		return nil, err
	}
	return x, d.err()
}

// header begins a request, leaving room for its length.
func header(e *encoder, api protocol.ApiKey, version int16, id int32) {
	e.int32(0)
	e.int16(int16(api))
	e.int16(version)
	e.int32(id)
	e.int16(int16(len(clientID))) // never compact
	e.b = append(e.b, clientID...)
	e.tags()
}

// roundTrip sends a request and reads the reply to it, into buffer if it is large
// enough.
func roundTrip(connection io.ReadWriter, e *encoder, id int32, buffer []byte) (*decoder, error) {
	binary.BigEndian.PutUint32(e.b, uint32(len(e.b)-4))
	if _, err := connection.Write(e.b); err != nil {
		return nil, err
	}
	var prefix [8]byte
	if _, err := io.ReadFull(connection, prefix[:]); err != nil {
		return nil, err
	}
	size := int64(binary.BigEndian.Uint32(prefix[:]))
	if got := int32(binary.BigEndian.Uint32(prefix[4:])); got != id {
		return nil, fmt.Errorf("the broker answered request %d, not %d", got, id)
	}
	if size < 4 || size > maxFrameBytes {
		return nil, fmt.Errorf("the broker's reply of %d bytes is past the limit of %d", size, maxFrameBytes)
	}
	body := int(size - 4)
	if cap(buffer) < body {
		buffer = make([]byte, body)
	}
	buffer = buffer[:body]
	_, err := io.ReadFull(connection, buffer)
	return &decoder{b: buffer}, err
}
