package rcm

import "sync/atomic"

// counters count since the start.
type counters struct {
	changes   atomic.Uint64 // of the fleet
	rendered  atomic.Uint64 // replies
	forgotten atomic.Uint64 // views
	refused   atomic.Uint64 // connections
	logins    atomic.Uint64 // refused passwords
	// handshakes are those of TLS that failed.
	handshakes atomic.Uint64
	// requests are counted by command, "cluster|slots". The map does not change
	// once it is made.
	requests map[string]*atomic.Uint64
}

// What requests are counted as that are no command of the RCM's own.
const (
	requestOfData  = "data"
	requestUnknown = "unknown"
)

func (c *counters) init() {
	c.requests = map[string]*atomic.Uint64{requestOfData: {}, requestUnknown: {}}
	for name, command := range commands {
		if command.answer != nil {
			c.requests[name] = new(atomic.Uint64)
		}
		for sub := range command.sub {
			c.requests[name+"|"+sub] = new(atomic.Uint64)
		}
	}
}

func (c *counters) request(name string) {
	if n := c.requests[name]; n != nil {
		n.Add(1)
	}
}
