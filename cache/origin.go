package cache

import "sync"

// mostOrigins is how many fetchers have a number at a time: what the byte that a
// row has for it tells apart, and more than one pod reads from.
const mostOrigins = 255

// origins number the fetchers that rows are filled from, so that a person can be
// told where what is held comes from. A fetcher that is new when all numbers are
// given takes the oldest one's.
type origins struct {
	mu      sync.RWMutex // protects what follows
	numbers map[string]byte
	names   []string // by number less one
	next    int      // of names, the one to be replaced next
}

// number is that of a fetcher; 0: of none.
func (o *origins) number(fetcher string) byte {
	if fetcher == "" {
		return 0
	}
	o.mu.RLock()
	n, ok := o.numbers[fetcher]
	o.mu.RUnlock()
	if ok {
		return n
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if n, ok := o.numbers[fetcher]; ok {
		return n
	}
	if o.numbers == nil {
		o.numbers = make(map[string]byte)
	}
	if len(o.names) < mostOrigins {
		o.names = append(o.names, fetcher)
		n = byte(len(o.names))
	} else {
		delete(o.numbers, o.names[o.next])
		o.names[o.next] = fetcher
		n = byte(o.next + 1)
		o.next = (o.next + 1) % mostOrigins
	}
	o.numbers[fetcher] = n
	return n
}

// name is that of the fetcher with a number; "": it is not known.
func (o *origins) name(n byte) string {
	o.mu.RLock()
	defer o.mu.RUnlock()
	if n == 0 || int(n) > len(o.names) {
		return ""
	}
	return o.names[n-1]
}
