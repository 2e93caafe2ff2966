package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/sasl"
)

const (
	// dialTimeout bounds how long a connection may take, TLS and SASL included.
	dialTimeout = 5 * time.Second

	// requestTimeout bounds a request, beside the time that a fetch waits.
	requestTimeout = 5 * time.Second

	// addressTTL is how long at most kafka-go goes by the addresses of brokers
	// that it knows.
	addressTTL = 5 * time.Second
)

// cluster is the brokers, as a Source needs them. Errors are of the request as a
// whole; those of a topic or partition are in the answer.
type cluster interface {
	metadata(ctx context.Context, topics []string) (layout, error)
	offsets(ctx context.Context, broker int32, asks map[partitionKey]int64) (map[partitionKey]offsetAnswer, error)
	// fetch may use buffer for the reply, and returns what to use for the next.
	// What it got is valid until then.
	fetch(ctx context.Context, broker int32, asks []fetchAsk, buffer []byte) (map[partitionKey]fetched, []byte, error)
	close()
}

// client is a cluster over kafka-go.
type client struct {
	ctx       context.Context // ends all connections
	topics    []string
	inForce   *atomic.Pointer[security]
	addresses net.Addr
	spans     *spans
	open      *connections

	mu        sync.Mutex // protects what follows
	known     []int32    // brokers of the last layout
	transport *kafkago.Transport
	secured   *security // that of transport
}

// security is how connections to come are encrypted and authenticated. Immutable.
type security struct {
	tls  *tls.Config    // nil: not encrypted
	sasl sasl.Mechanism // nil: nobody asks
}

func newClient(ctx context.Context, addresses, topics []string, inForce *atomic.Pointer[security]) *client {
	return &client{
		ctx: ctx, topics: topics, inForce: inForce,
		addresses: kafkago.TCP(addresses...), spans: newSpans(),
		open: &connections{conns: make(map[*connection]struct{})},
	}
}

// current is the transport of connections that are encrypted and authenticated as
// is in force. What is under way on those of the one before ends there.
func (c *client) current() *kafkago.Transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.inForce.Load()
	if c.transport != nil && c.secured == now {
		return c.transport
	}
	if c.transport != nil {
		c.transport.CloseIdleConnections()
	}
	c.secured = now
	c.transport = &kafkago.Transport{
		Context: c.ctx, Dial: c.open.dial, DialTimeout: dialTimeout, ClientID: clientID,
		MetadataTTL: addressTTL, MetadataTopics: c.topics, TLS: now.tls, SASL: now.sasl,
	}
	return c.transport
}

// do sends a request and waits for its answer.
func (c *client) do(ctx context.Context, x *exchange, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	x.spans = c.spans
	_, err := c.current().RoundTrip(ctx, c.addresses, x)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fmt.Errorf("the broker closed the connection (are TLS and SASL set as it wants them, and the password right?): %w", err)
	}
	return err
}

// metadata asks a broker to begin with, and where none answers the others.
func (c *client) metadata(ctx context.Context, topics []string) (layout, error) {
	c.mu.Lock()
	brokers := append([]int32{anyBroker}, c.known...)
	c.mu.Unlock()
	var first error
	for _, broker := range brokers {
		r := &metadataRequest{topics: topics}
		err := c.do(ctx, &exchange{request: r, broker: broker}, requestTimeout)
		if err == nil {
			c.mu.Lock()
			c.known = slices.Clone(r.layout.brokers)
			c.mu.Unlock()
			return r.layout, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return layout{}, fmt.Errorf("ask the brokers which partitions there are: %w", first)
}

func (c *client) offsets(ctx context.Context, broker int32, asks map[partitionKey]int64) (map[partitionKey]offsetAnswer, error) {
	r := &offsetsRequest{asks: asks}
	if err := c.do(ctx, &exchange{request: r, broker: broker}, requestTimeout); err != nil {
		return nil, fmt.Errorf("ask broker %d for offsets: %w", broker, err)
	}
	return r.answers, nil
}

func (c *client) fetch(ctx context.Context, broker int32, asks []fetchAsk, buffer []byte) (map[partitionKey]fetched, []byte, error) {
	r := &fetchRequest{asks: asks}
	x := &exchange{request: r, broker: broker, buffer: buffer}
	if err := c.do(ctx, x, requestTimeout+fetchWait); err != nil {
		return nil, nil, fmt.Errorf("fetch from broker %d: %w", broker, err)
	}
	if cap(x.buffer) > keepFrameBytes {
		x.buffer = nil
	}
	return r.got, x.buffer, nil
}

// close ends all connections and waits for them.
func (c *client) close() {
	c.current().CloseIdleConnections()
	c.open.close()
}

var (
	_ protocol.RawExchanger  = (*exchange)(nil)
	_ protocol.BrokerMessage = (*exchange)(nil)
)

// connections are those that kafka-go has open. It waits for what is under way
// on a connection, up to the request's deadline, so they are closed from here.
type connections struct {
	mu     sync.Mutex
	conns  map[*connection]struct{}
	closed bool
	wg     sync.WaitGroup
}

type connection struct {
	net.Conn
	owner *connections
	once  sync.Once
}

func (c *connections) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		_ = conn.Close()
		return nil, net.ErrClosed
	}
	opened := &connection{Conn: conn, owner: c}
	c.conns[opened] = struct{}{}
	c.wg.Add(1)
	return opened, nil
}

// Close is called by kafka-go's goroutine of the connection when it ends.
func (c *connection) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.owner.mu.Lock()
		delete(c.owner.conns, c)
		c.owner.mu.Unlock()
		c.owner.wg.Done()
	})
	return err
}

func (c *connections) close() {
	c.mu.Lock()
	c.closed = true
	for conn := range c.conns {
		_ = conn.Conn.Close() // its goroutine's reading fails, and it closes connection
	}
	c.mu.Unlock()
	c.wg.Wait()
}
