//go:build !linux

package wire

import (
	"errors"
	"net"
)

// ErrNotReady says that there is nothing to read now.
var ErrNotReady = errors.New("nothing to read yet")

// Poll is for Linux alone.
type Poll struct{}

// Socket is a connection that a Poll looks after.
type Socket struct{}

// NewPoll fails: there is none on this system.
func NewPoll() (*Poll, error) { return nil, errors.ErrUnsupported }

// Post does nothing.
func (*Poll) Post(func()) {}

// Close does nothing.
func (*Poll) Close() {}

// Run returns at once.
func (*Poll) Run() {}

// Take takes nothing.
func (*Poll) Take(net.Conn, int, func()) (*Socket, *Output, bool) { return nil, nil, false }

// Read reads nothing.
func (*Socket) Read([]byte) (int, error) { return 0, ErrNotReady }

// WantRead does nothing.
func (*Socket) WantRead(bool) {}

// WantsRead is false.
func (*Socket) WantsRead() bool { return false }

// CloseWrite does nothing.
func (*Socket) CloseWrite() {}
