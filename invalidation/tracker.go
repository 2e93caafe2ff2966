package invalidation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/resp"
)

// tracker is the connection to one node that announces changed keys.
type tracker struct {
	addr     string
	tracking *Tracking
	guard    *Guard
	cancel   context.CancelFunc

	announced uint64  // keys; the reader's alone
	warned    warning // what was logged last
}

const (
	// trackingPing is how often a node is asked whether it still is there:
	// silence of a node on which nothing changes looks like that of a dead one.
	trackingPing = time.Second
	// firstTrackingRetry and lastTrackingRetry bound the pause after a
	// connection that failed; it doubles between them.
	firstTrackingRetry = 100 * time.Millisecond
	lastTrackingRetry  = 2 * time.Second
	// maxAnnouncement bounds one announcement, in bytes: Redis puts the keys
	// of one turn of its event loop together.
	maxAnnouncement = 64 << 20
	// trackingBuffer is what is read at once, in bytes; it grows for a longer
	// announcement.
	trackingBuffer = 16 << 10
)

// run keeps the connection until ctx ends.
func (tr *tracker) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { tr.guard.Run(ctx) })
	defer wg.Wait()
	retry := firstTrackingRetry
	for again := false; ; again = true {
		began := time.Now()
		err := tr.follow(ctx, again)
		if ctx.Err() != nil {
			return
		}
		tr.guard.Report(Health{Err: err})
		tr.warn(err)
		if time.Since(began) > lastTrackingRetry {
			retry = firstTrackingRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(jittered(retry)):
		}
		retry = min(2*retry, lastTrackingRetry)
	}
}

// follow connects and acts on announcements until the connection fails. Again
// says that announcements were lost before.
func (tr *tracker) follow(ctx context.Context, again bool) error {
	nc, err := tr.tracking.nodes.Dial(ctx, tr.addr)
	if err != nil {
		return fmt.Errorf("connect for tracking: %w", err)
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
	s := &announcements{nc: nc, tracker: tr, framer: resp.NewFramer(maxAnnouncement), buf: make([]byte, 0, trackingBuffer)}
	for _, command := range [][]string{{"HELLO", "3"}, tr.tracking.command()} {
		if err := s.ask(tr.tracking.cfg().MaxSilence, command...); err != nil {
			return err
		}
	}
	if again && tr.guard.Status().State != StateStarting {
		tr.guard.Gap("the connection for tracking was lost")
	}
	for {
		asked := time.Now()
		if err := s.ask(tr.tracking.cfg().MaxSilence, "PING"); err != nil {
			return err
		}
		tr.guard.Report(Health{At: asked, Positioned: true, Position: fmt.Sprintf("%d keys announced", tr.announced)})
		if err := s.listen(asked.Add(trackingPing)); err != nil {
			return err
		}
	}
}

// warn says what is wrong with the node, if it refuses.
func (tr *tracker) warn(err error) {
	now := time.Now()
	if !errors.As(err, new(refusal)) {
		tr.tracking.log.Debug("a connection for tracking failed", "node", tr.addr, "error", err)
		return
	}
	if text := err.Error(); text != tr.warned.text || now.Sub(tr.warned.at) >= warnInterval {
		tr.tracking.log.Warn("a node announces no changes", "node", tr.addr, "error", err)
		tr.warned = warning{text, now}
	}
}

// announcements is a connection on which announcements come between replies.
type announcements struct {
	nc      net.Conn
	tracker *tracker
	framer  *resp.Framer
	buf     []byte // what was read and not yet acted on
}

// ask sends a command and acts on what comes until its reply.
func (s *announcements) ask(patience time.Duration, args ...string) error {
	if err := s.nc.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := s.nc.Write(resp.AppendCommand(nil, args...)); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	for {
		frame, err := s.next()
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		push := frame[0] == '>'
		text := clip(frame[1:])
		failed := frame[0] == '-' || frame[0] == '!'
		if push {
			err = s.heard(frame)
		}
		s.drop(len(frame))
		switch {
		case err != nil:
			return err
		case failed:
			return fmt.Errorf("%s: %w", args[0], refusal{text, trackingFix(text)})
		case !push:
			return nil
		}
	}
}

// listen acts on announcements until then.
func (s *announcements) listen(until time.Time) error {
	if err := s.nc.SetReadDeadline(until); err != nil {
		return err
	}
	for {
		frame, err := s.next()
		if err != nil {
			if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
				return nil
			}
			return fmt.Errorf("read announcements: %w", err)
		}
		if frame[0] != '>' {
			return fmt.Errorf("a reply that nobody asked for: %q", clip(frame))
		}
		if err := s.heard(frame); err != nil {
			return err
		}
		s.drop(len(frame))
	}
}

// next returns the next whole frame, which is valid until drop.
func (s *announcements) next() ([]byte, error) {
	for {
		if len(s.buf) > 0 {
			n, err := s.framer.Next(s.buf)
			if err != nil {
				return nil, err
			}
			if n > 0 {
				return s.buf[:n], nil
			}
		}
		if len(s.buf) == cap(s.buf) {
			s.buf = append(s.buf, 0)[:len(s.buf)]
		}
		n, err := s.nc.Read(s.buf[len(s.buf):cap(s.buf)])
		s.buf = s.buf[:len(s.buf)+n]
		if err != nil && n == 0 {
			return nil, err
		}
	}
}

// drop lets go of the first n bytes.
func (s *announcements) drop(n int) {
	s.buf = s.buf[:copy(s.buf, s.buf[n:])]
	if len(s.buf) == 0 && cap(s.buf) > 4*trackingBuffer {
		s.buf = make([]byte, 0, trackingBuffer)
	}
}

// heard acts on a push. Those of other kinds are none of ours.
func (s *announcements) heard(frame []byte) error {
	frame = bytes.Clone(frame) // an array to those who read it
	frame[0] = '*'
	ends, ok := resp.Elements(frame, nil)
	if !ok || len(ends) < 2 {
		return fmt.Errorf("an announcement that is none: %q", clip(frame))
	}
	if kind, _ := resp.Text(frame[ends[0]:ends[1]]); string(kind) != "invalidate" || len(ends) != 3 {
		return nil
	}
	keys := frame[ends[1]:ends[2]]
	t, counts := s.tracker.tracking, &s.tracker.guard.Counts
	if resp.IsNil(keys) || bytes.HasPrefix(keys, []byte("*-1")) {
		counts.Forgets.Add(1)
		t.memory.InvalidateAll(t.cfg().Settle)
		return nil
	}
	ends, ok = resp.Elements(keys, nil)
	if !ok {
		return fmt.Errorf("an announcement without keys: %q", clip(frame))
	}
	for i := range len(ends) - 1 {
		key, ok := resp.Text(keys[ends[i]:ends[i+1]])
		if !ok {
			return fmt.Errorf("an announcement of what is no key: %q", clip(frame))
		}
		counts.Entities.Add(1)
		s.tracker.announced++
		t.memory.Invalidate(key, t.cfg().Settle)
	}
	return nil
}
