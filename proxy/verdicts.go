package proxy

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/cluster"
)

// verdict is what is said of credentials.
type verdict struct {
	text    string // the error to answer; "": they are good
	refused bool   // by the store, not for want of an answer
	ttl     time.Duration
}

// maxVerdicts bounds the credentials that are remembered. Those of a client that
// tries many passwords push out others, which costs a question each.
const maxVerdicts = 1024

// verdicts remembers what the store said of credentials, so that a pool of
// clients that connects does not have the store asked for each connection. They
// are remembered by a hash with a key that this process made up, never in plain
// text.
type verdicts struct {
	key   [sha256.Size]byte
	mu    sync.Mutex
	known map[credentialsHash]*remembered // guarded by mu
}

type credentialsHash [sha256.Size]byte

// remembered is a verdict, or the question for it.
type remembered struct {
	answered chan struct{} // closed when verdict is there
	verdict  verdict
	until    time.Time // zero: not answered yet. Guarded by verdicts.mu
}

func newVerdicts() *verdicts {
	v := &verdicts{known: make(map[credentialsHash]*remembered)}
	rand.Read(v.key[:]) // never fails
	return v
}

func (v *verdicts) hash(who *cluster.Credentials) (h credentialsHash) {
	mac := hmac.New(sha256.New, v.key[:])
	form := byte(0)
	if who.Named {
		form = 1
	}
	// The length keeps "ab", "c" from being "a", "bc".
	_, _ = mac.Write(append(binary.AppendUvarint([]byte{form}, uint64(len(who.User))), who.User...))
	_, _ = mac.Write([]byte(who.Password))
	mac.Sum(h[:0])
	return h
}

// of returns what is remembered of who, or asks. All who want to know the same at
// once ask once.
func (v *verdicts) of(who *cluster.Credentials, ask func() verdict) verdict {
	h := v.hash(who)
	began := time.Now()
	v.mu.Lock()
	if r := v.known[h]; r != nil && (r.until.IsZero() || began.Before(r.until)) {
		v.mu.Unlock()
		<-r.answered
		return r.verdict
	}
	r := &remembered{answered: make(chan struct{})}
	v.makeRoom(began)
	v.known[h] = r
	v.mu.Unlock()

	r.verdict = ask()
	v.mu.Lock()
	// From before it was asked: the store may have changed its mind since.
	r.until = began.Add(r.verdict.ttl)
	if r.verdict.ttl == 0 && v.known[h] == r {
		delete(v.known, h)
	}
	v.mu.Unlock()
	close(r.answered)
	return r.verdict
}

// makeRoom drops what is past its time, or else anything, when there are too
// many. Under mu.
func (v *verdicts) makeRoom(now time.Time) {
	if len(v.known) < maxVerdicts {
		return
	}
	for h, r := range v.known {
		if !r.until.IsZero() && !now.Before(r.until) {
			delete(v.known, h)
		}
	}
	for h := range v.known {
		if len(v.known) < maxVerdicts {
			return
		}
		delete(v.known, h)
	}
}

// forget has who asked for anew.
func (v *verdicts) forget(who *cluster.Credentials) {
	h := v.hash(who)
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.known, h)
}

// forgetAll has everybody asked for anew.
func (v *verdicts) forgetAll() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.known)
}
