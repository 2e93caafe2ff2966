package invalidation

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fsproxy/fsproxy/resp"
)

// Store is how a poller reads; *cluster.Upstream is one.
type Store interface {
	// Ask sends one read whose key is in slot and returns the reply, an error
	// that the store answered among them, and which fetcher it came from. Where at
	// is not "", that fetcher alone is asked.
	Ask(ctx context.Context, at string, slot uint16, args ...string) (reply []byte, from string, err error)
}

// digest stands for a marker's value, which may be long; 0: there is none. Two
// values have one digest once in 2^64. It is the same in every process, as one
// may go on where another stopped.
type digest uint64

func digestOf(value []byte) digest {
	sum := sha256.Sum256(value)
	return digest(max(binary.BigEndian.Uint64(sum[:]), 1))
}

const (
	// wholeFields is up to how many fields a hash is read at once: some 40 KB,
	// which hold up nobody at the store.
	wholeFields = 1000
	// scanCount is how many fields are asked for at a time above that.
	scanCount = 500
	// maxMarkers bounds a hash of markers: more features than a store has.
	maxMarkers = 1 << 20
)

// markerHash is the hash of markers in the store.
type markerHash struct {
	store        Store
	key          string
	slot         uint16
	versionField string
}

// reading is what one look at the hash found.
type reading struct {
	markers map[string]digest
	version digest // that the markers are at least as new as; 0: unknown
}

// read looks at the whole hash. Where its version is known, nothing else is read
// and the reading is nil: nothing has changed.
func (h *markerHash) read(ctx context.Context, known digest) (*reading, error) {
	at, version := "", digest(0)
	if h.versionField != "" {
		var err error
		if version, at, err = h.version(ctx); err != nil {
			return nil, err
		}
		if version != 0 && version == known {
			return nil, nil
		}
	}
	// From here on one fetcher is asked: another may be ahead or behind.
	reply, from, err := h.ask(ctx, at, "HLEN", h.key)
	if err != nil {
		return nil, err
	}
	if from != at {
		at, version = from, 0 // it pointed elsewhere, or there was no version
	}
	n, ok := resp.Integer(reply)
	switch {
	case !ok:
		return nil, fmt.Errorf("HLEN %q: the reply is no number", h.key)
	case n > maxMarkers:
		return nil, fmt.Errorf("the hash %q has %d fields, more than the %d that can be followed: is it a hash of markers? (see invalidation.markers)", h.key, n, maxMarkers)
	case n == 0:
		return &reading{}, nil
	}
	r := &reading{markers: make(map[string]digest, n), version: version}
	if n <= wholeFields {
		err = h.whole(ctx, at, r)
	} else {
		err = h.scan(ctx, at, r)
	}
	if h.versionField != "" {
		delete(r.markers, h.versionField)
	}
	return r, err
}

// version reads the version alone; 0: the hash has none.
func (h *markerHash) version(ctx context.Context) (digest, string, error) {
	reply, from, err := h.ask(ctx, "", "HGET", h.key, h.versionField)
	if err != nil {
		return 0, from, err
	}
	if !resp.IsBulk(reply) {
		return 0, from, fmt.Errorf("HGET %q: the reply is no string", h.key)
	}
	value, ok := resp.Text(reply)
	if !ok {
		return 0, from, nil
	}
	return digestOf(value), from, nil
}

// whole reads the hash in one piece, its version with it.
func (h *markerHash) whole(ctx context.Context, at string, r *reading) error {
	reply, _, err := h.ask(ctx, at, "HGETALL", h.key)
	if err != nil {
		return err
	}
	if err := h.take(reply, r); err != nil {
		return err
	}
	r.version = r.markers[h.versionField]
	return nil
}

// scan reads the hash piece by piece, from one fetcher, as a cursor is good
// nowhere else. What changes meanwhile may or may not be seen: the version was
// read before, so that it is not newer than what was seen.
func (h *markerHash) scan(ctx context.Context, at string, r *reading) error {
	cursor := "0"
	for range maxMarkers {
		reply, from, err := h.ask(ctx, at, "HSCAN", h.key, cursor, "COUNT", strconv.Itoa(scanCount))
		if err != nil {
			return err
		}
		ends, ok := resp.Elements(reply, nil)
		if from != at || !ok || len(ends) != 3 {
			return fmt.Errorf("HSCAN %q: %s began the scan, and %s answered %q", h.key, at, from, clip(reply))
		}
		next, ok := resp.Text(reply[ends[0]:ends[1]])
		if !ok {
			return fmt.Errorf("HSCAN %q: no cursor in the reply", h.key)
		}
		if err := h.take(reply[ends[1]:ends[2]], r); err != nil {
			return err
		}
		if cursor = string(next); cursor == "0" {
			return nil
		}
		if len(r.markers) > 2*maxMarkers {
			break
		}
	}
	return fmt.Errorf("HSCAN %q: it does not end", h.key)
}

// take adds fields and values, one behind the other, to r.
func (h *markerHash) take(pairs []byte, r *reading) error {
	ends, ok := resp.Elements(pairs, nil)
	if !ok || len(ends)%2 == 0 {
		return fmt.Errorf("the fields of %q: the reply is no array of pairs", h.key)
	}
	for i := 0; i+2 < len(ends); i += 2 {
		field, isField := resp.Text(pairs[ends[i]:ends[i+1]])
		value, isValue := resp.Text(pairs[ends[i+1]:ends[i+2]])
		if !isField || !isValue {
			return fmt.Errorf("the fields of %q: the reply holds what is no string", h.key)
		}
		r.markers[string(field)] = digestOf(value)
	}
	return nil
}

// refusal is an error that the store answered.
type refusal struct{ text, fix string }

func (r refusal) Error() string {
	if r.fix == "" {
		return "the store answered " + r.text
	}
	return "the store answered " + r.text + "; " + r.fix
}

// ask sends one read; an error reply is an error.
func (h *markerHash) ask(ctx context.Context, at string, args ...string) ([]byte, string, error) {
	reply, from, err := h.store.Ask(ctx, at, h.slot, args...)
	if err != nil {
		return nil, from, fmt.Errorf("%s %q: %w", args[0], h.key, err)
	}
	if len(reply) == 0 {
		return nil, from, errors.New("the store answered nothing")
	}
	if reply[0] == '-' {
		text := clip(reply[1:])
		return nil, from, fmt.Errorf("%s %q: %w", args[0], h.key, refusal{text, h.fix(text)})
	}
	return reply, from, nil
}

// fix is what the user can do about an error reply.
func (h *markerHash) fix(text string) string {
	word, _, _ := strings.Cut(text, " ")
	switch word {
	case "WRONGTYPE":
		return "the key holds no hash: name the hash of markers in invalidation.markers, or switch them off with an empty list"
	case "NOPERM":
		return fmt.Sprintf("let the user of upstream.username read it: ACL SETUSER … ~%s +hlen +hget +hgetall +hscan; or switch markers off with invalidation.markers: []", h.key)
	case "NOAUTH", "WRONGPASS":
		return "see upstream.username and upstream.password_file"
	}
	return ""
}

// clip keeps what the store sent from filling a message.
func clip(text []byte) string {
	const most = 200
	return strings.TrimRight(string(text[:min(most, len(text))]), "\r\n")
}
