package cache

import (
	"strconv"
	"time"
)

// Value is a feature's new value, as a record of a stream brings it.
type Value struct {
	Feature, Bytes []byte
	Nil            bool // the store has it no more
}

// Apply puts values of entity in place that a record of a stream brings, where
// that is sure to be right, and evicts where it is not, as Update does: that is
// never wrong and costs a fetch. It returns how many values it put in place. It
// keeps nothing of its arguments.
//
// version orders the records of an entity and feature, as a time or a counter
// of the store's does; 0: it is not known, and all is evicted. lag bounds how late
// a record may come: what it says was true at some moment since then. So a value
// is treated as if it had been fetched lag ago: it carries that tick, and is put in
// place only if nothing has invalidated the feature, or the entity, since: a
// marker, a write through the proxy, an update without a version, an
// invalidation by hand, the end of a suspension. An old record cannot bring back
// what was there before a newer upload.
//
// Besides, the row must hold the feature, fresh: only what is asked for is worth
// its memory. And the version must be greater than any seen in the slot of the
// table of updates, which others share: so neither a record that comes again nor
// one that comes late brings back an older value, and a collision costs a fetch.
// Versions that are times, or grow alike in all entities, collide without harm.
//
// What a fetch brought has no version: it may be ahead of the stream, and then
// goes back to what the stream says, until the stream has caught up. That is
// within the stream's lag, which the promise allows for.
//
// No fetch of the features that began until settle from now is kept.
func (c *Cache) Apply(entity []byte, values []Value, version int64, settle, lag time.Duration) (applied int) {
	hash := c.hash(entity)
	r := c.newRecord(hash, values, version, settle, lag)
	return c.put(entity, hash, r)
}

// newRecord stamps the table of updates with a record.
func (c *Cache) newRecord(hash uint64, values []Value, version int64, settle, lag time.Duration) *record {
	now := c.clock.Now()
	until := now + HoldTicks(settle)
	r := &record{
		values: values, version: version, began: now - HoldTicks(lag),
		slots: make([]*fieldUpdates, len(values)), elements: make([][]byte, len(values)), entity: c.updates.entity(hash),
	}
	names := make([][]byte, len(values))
	for i, value := range values {
		names[i] = value.Feature
		slot := c.updates.field(hash, c.hash(value.Feature))
		if version == 0 {
			raise(&slot.unversioned, int64(until))
		} else if raise(&slot.version, version) {
			r.slots[i] = slot
		}
		c.updates.stampField(slot, now, until)
	}
	r.features = c.find(names)
	r.forms.begin(c.Interner)
	for i, f := range r.features {
		r.wire, r.elements[i] = appendWire(r.wire, values[i])
		if f != nil {
			r.forms.add(i, f, r.elements[i])
		}
	}
	return r
}

// put has a record change the row that it is about.
func (c *Cache) put(entity []byte, hash uint64, r *record) (applied int) {
	c.rewrite(entity, hash, func(b *builder, l *layout, old row) (changed bool) {
		applied, changed = r.apply(b, l, old, c.clock.Now())
		return changed
	})
	return applied
}

// record is a record of a stream on its way into a row.
type record struct {
	values   []Value
	version  int64
	began    Tick            // what it says was true at some moment after that
	features []*Feature      // nil: nobody asked for it
	slots    []*fieldUpdates // nil: something as new was seen already, or there is no version
	entity   *recently
	elements [][]byte // the values in wire form
	wire     []byte   // of all
	forms    Forms
}

// apply puts the values into the row under construction that are to be put in
// place, and takes out the others.
func (r *record) apply(b *builder, l *layout, old row, now Tick) (applied int, changed bool) {
	for i, f := range r.features {
		if f == nil {
			continue
		}
		put := false
		for _, f := range f.forms() {
			at := l.position(f)
			if at < 0 || b.values[at] == nil {
				continue
			}
			changed = true
			if !old.fresh(at, f, now) || !r.admitted(i) || !r.forms.made(f) {
				b.values[at] = nil
				continue
			}
			b.put(at, f, &r.forms, i, r.elements[i], r.began)
			put = true
		}
		if put {
			applied++
		}
	}
	return applied, changed
}

// admitted tells, under the row's lock, whether value i is the newest by its
// version, which another record may have overtaken since it was stamped, and
// nothing was invalidated since it was true.
func (r *record) admitted(i int) bool {
	slot := r.slots[i]
	return slot != nil && slot.version.Load() == r.version &&
		r.began > Tick(slot.unversioned.Load()) &&
		r.began > Tick(r.entity.until.Load()) &&
		r.began > Tick(r.features[i].invalidated.Load()) &&
		// Which versions were seen before this process began is not known.
		r.began > Tick(r.features[i].unkept.Load())
}

// appendWire appends a value in wire form, and returns it beside the whole.
func appendWire(b []byte, v Value) (whole, value []byte) {
	if v.Nil {
		return b, nil2
	}
	from := len(b)
	b = append(b, '$')
	b = strconv.AppendInt(b, int64(len(v.Bytes)), 10)
	b = append(b, "\r\n"...)
	b = append(b, v.Bytes...)
	b = append(b, "\r\n"...)
	return b, b[from:len(b):len(b)]
}
