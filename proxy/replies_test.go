package proxy

import (
	"errors"
	"net"
	"testing"

	"github.com/fsproxy/fsproxy/wire"
)

// Thousands of replies may be on their way when a client is given up. They must
// not be held for it.
func TestRepliesToAClientThatWasGivenUpAreNotHeld(t *testing.T) {
	const limit = 1 << 10
	ours, theirs := net.Pipe()
	defer theirs.Close()
	out := wire.NewOutput(ours, limit)
	defer out.Close()
	r := newReplies(out, limit)
	slots := make([]*slot, 100)
	for i := range slots {
		var err error
		if slots[i], err = r.reserve(nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range slots[1:] { // the first is not answered: none can be sent
		r.complete(s, make([]byte, limit))
	}
	if err := r.fail(net.ErrClosed); !errors.Is(err, wire.ErrOutputLimit) {
		t.Fatalf("it was ended by %v", err)
	}
	held := 0
	for _, s := range slots {
		held += len(s.reply)
	}
	if held > 2*limit {
		t.Errorf("%d bytes are held, with a limit of %d", held, limit)
	}
	r.complete(slots[0], nil)
	r.Flush()
	if r.count() != 0 || r.held < 0 {
		t.Errorf("%d are pending, and %d bytes held", r.count(), r.held)
	}
}
