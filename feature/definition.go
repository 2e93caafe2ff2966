package feature

import (
	"time"

	"github.com/fsproxy/fsproxy/feature/codec"
)

// Source is where the values of a feature come from.
type Source string

// The sources.
const (
	Batch    Source = "batch"    // uploads, each ended by a marker
	Realtime Source = "realtime" // updates of single entities
)

// Sources are all sources.
var Sources = []Source{Batch, Realtime}

// Hold is how values that come compressed by Snappy are held, and sent to those
// who want them as stored.
type Hold string

// The ways to hold them.
const (
	HoldAsStored     Hold = "as_stored"
	HoldUncompressed Hold = "uncompressed" // as a Snappy block that is not compressed
)

// Holds are all of these.
var Holds = []Hold{HoldAsStored, HoldUncompressed}

// Definition is what the catalogue says of one feature. Immutable.
//
// Its codec.Form decodes, encodes and compares its values.
type Definition struct {
	codec.Form
	Policy

	Name  string
	Field string // of the store; any bytes
	Group string // "": none

	// Default is what a missing value stands for, decoded; nil where the
	// catalogue names none. An empty string or list is not nil.
	Default []byte

	// Collides names the other features that the store keeps in the same field.
	// Nobody can tell whose value it holds.
	Collides []string
}

// Policy is how values of a feature may be kept. A duration of 0 is one that
// the catalogue does not name: the configuration's holds.
type Policy struct {
	Source         Source // "": not said
	Cacheable      bool
	MaxAge         time.Duration
	NegativeMaxAge time.Duration // of "the store has none"; at most MaxAge

	// StaleIfError is how long past its age a value may be served where the
	// store cannot be asked; -1: never, even where the configuration allows it.
	StaleIfError time.Duration

	Hold Hold
}
