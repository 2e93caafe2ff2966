package bench

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Shape is the form of one scenario's data and load.
type Shape struct {
	Fields       int           `json:"fields"`        // fields of one HMGET
	EntityFields int           `json:"entity_fields"` // features that each entity holds
	Values       Sizes         `json:"value_bytes"`   // sizes of the values
	Entities     int           `json:"entities"`      // entities that are asked for again and again
	Zipf         float64       `json:"zipf"`          // exponent of the entities' popularity; 0: all alike
	Pipeline     int           `json:"pipeline"`      // commands sent together: one operation
	Connections  int           `json:"connections"`   // client connections
	Projections  int           `json:"projections"`   // distinct projections, each with entities of its own
	Overlap      bool          `json:"overlap"`       // two models ask each entity for overlapping fields, in other order
	Misses       float64       `json:"misses"`        // share of commands that ask for an entity never asked for before
	Window       int           `json:"window"`        // commands kept in flight on each connection; 0: operations wait for their replies
	Delay        time.Duration `json:"delay_ns"`      // added to each reply of the store before the proxy sees it
	Prefix       string        `json:"key_prefix"`    // what every entity's key begins with
}

// DefaultShape is the shape that scenarios and the command line start from: one
// model that asks for all 50 features of an entity, 16 commands together.
func DefaultShape() Shape {
	return Shape{
		Fields: 50, EntityFields: 50, Values: Sizes{{Bytes: 6, Weight: 1}},
		Entities: 10_000, Pipeline: 16, Connections: 4, Projections: 1, Prefix: "st_",
	}
}

// Bounds of a shape: past them a typing error is likelier than a wish.
const (
	maxFields      = 100_000       // fields a command or entity
	maxEntities    = 9_000_000     // so that all keys are of one length: the prefix and seven digits
	maxPipeline    = 100_000       // commands
	maxConnections = 10_000        // connections
	maxProjections = 100_000       // projections
	maxValueBytes  = 512 << 20     // bytes: a store's own limit of a bulk string
	maxDelay       = 1 * time.Hour // of a reply
)

// Validate tells the first thing about the shape that cannot be.
func (s Shape) Validate() error {
	for _, bound := range []struct {
		option     string
		value, max int
	}{
		{"fields", s.Fields, maxFields},
		{"entity-fields", s.EntityFields, maxFields},
		{"entities", s.Entities, maxEntities},
		{"pipeline", s.Pipeline, maxPipeline},
		{"connections", s.Connections, maxConnections},
		{"projections", s.Projections, maxProjections},
		{"window", s.Window, maxPipeline},
	} {
		least := 1
		if bound.option == "window" {
			least = 0
		}
		if bound.value < least || bound.value > bound.max {
			return fmt.Errorf("%s: %d is not between %d and %d", bound.option, bound.value, least, bound.max)
		}
	}
	switch {
	case s.Fields > s.EntityFields:
		return fmt.Errorf("fields: %d is more than the %d fields of an entity; raise entity-fields", s.Fields, s.EntityFields)
	case s.Zipf < 0 || s.Zipf > 10:
		return fmt.Errorf("zipf: %g is not between 0 and 10", s.Zipf)
	case s.Misses < 0 || s.Misses > 1:
		return fmt.Errorf("misses: %g is not between 0 and 1", s.Misses)
	case s.Delay < 0 || s.Delay > maxDelay:
		return fmt.Errorf("delay: %v is not between 0 and %v", s.Delay, maxDelay)
	case s.Projections > s.Entities:
		return fmt.Errorf("projections: %d is more than the %d entities; each projection needs one", s.Projections, s.Entities)
	case s.Overlap && s.Projections > 1:
		return errors.New("overlap: it is two projections by itself; leave projections at 1")
	case len(s.Values) == 0:
		return errors.New("value-bytes: no size given")
	}
	return nil
}

// String says the shape in a few words, for the head of a table.
func (s Shape) String() string {
	parts := []string{
		fmt.Sprintf("HMGET %d of %d fields", s.Fields, s.EntityFields),
		s.Values.String() + " B values",
		fmt.Sprintf("%d entities", s.Entities),
		fmt.Sprintf("%d connections", s.Connections),
	}
	if s.Window > 0 {
		parts = append(parts, fmt.Sprintf("%d in flight", s.Window))
	} else {
		parts = append(parts, fmt.Sprintf("%d pipelined", s.Pipeline))
	}
	if s.Zipf > 0 {
		parts = append(parts, fmt.Sprintf("Zipf %g", s.Zipf))
	}
	if s.Projections > 1 {
		parts = append(parts, fmt.Sprintf("%d projections", s.Projections))
	}
	if s.Overlap {
		parts = append(parts, "two overlapping models")
	}
	if s.Misses > 0 {
		parts = append(parts, fmt.Sprintf("%g %% misses", s.Misses*100))
	}
	if s.Delay > 0 {
		parts = append(parts, fmt.Sprintf("store delayed by %v", s.Delay))
	}
	return strings.Join(parts, ", ")
}

// Size is one size of value and how often it occurs, relative to the others.
type Size struct {
	Bytes  int
	Weight int
}

// Sizes is a histogram of value sizes.
type Sizes []Size

// ParseSizes reads a histogram such as "6:80,40:15,512:5": bytes and weight,
// the weight being 1 where it is left out.
func ParseSizes(text string) (Sizes, error) {
	var sizes Sizes
	for part := range strings.SplitSeq(text, ",") {
		bytesText, weightText, weighted := strings.Cut(strings.TrimSpace(part), ":")
		size := Size{Weight: 1}
		var err error
		if size.Bytes, err = strconv.Atoi(bytesText); err != nil || size.Bytes < 0 || size.Bytes > maxValueBytes {
			return nil, fmt.Errorf("value histogram: %q in %q is not a number of bytes between 0 and %d", bytesText, text, maxValueBytes)
		}
		if weighted {
			if size.Weight, err = strconv.Atoi(weightText); err != nil || size.Weight < 1 || size.Weight > 1_000_000 {
				return nil, fmt.Errorf("value histogram: weight %q in %q is not between 1 and 1000000", weightText, text)
			}
		}
		sizes = append(sizes, size)
	}
	return sizes, nil
}

// String writes the histogram as ParseSizes reads it.
func (s Sizes) String() string {
	if len(s) == 1 {
		return strconv.Itoa(s[0].Bytes)
	}
	var text strings.Builder
	for i, size := range s {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, "%d:%d", size.Bytes, size.Weight)
	}
	return text.String()
}

// Set and Type make a histogram an option of the command line.
func (s *Sizes) Set(text string) (err error) {
	*s, err = ParseSizes(text)
	return err
}

// Type is what the option's help calls its value.
func (*Sizes) Type() string { return "sizes" }

// MarshalText lets a histogram stand in JSON as it stands on the command line.
func (s Sizes) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Mean is the average size in bytes, rounded.
func (s Sizes) Mean() int {
	total, weights := 0, 0
	for _, size := range s {
		total += size.Bytes * size.Weight
		weights += size.Weight
	}
	return (total + weights/2) / weights
}

// pick chooses a size by a random number.
func (s Sizes) pick(random uint64) int {
	if len(s) == 1 {
		return s[0].Bytes
	}
	weights := 0
	for _, size := range s {
		weights += size.Weight
	}
	at := int(random % uint64(weights))
	for _, size := range s {
		if at -= size.Weight; at < 0 {
			return size.Bytes
		}
	}
	return s[len(s)-1].Bytes
}
