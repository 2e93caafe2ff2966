package cache

import "github.com/maypok86/otter/v2"

// DecodeHeld decodes what p wants decoded and f lacks, where the row holds it
// fresh as stored: what one listener had fetched is not fetched again for
// another. It tells whether there is anything new to be found.
func (c *Cache) DecodeHeld(entity []byte, p *Projection, f *Found, now Tick) (made bool) {
	if !p.View.Decoded || f.plan == nil || !f.row.holdsFor(f.plan, now) {
		return false
	}
	hash := c.hash(entity)
	b := builders.Get().(*builder)
	c.shard(hash).Compute(string(entity), func(old row, found bool) (row, otter.ComputeOp) {
		if !found {
			return old, otter.CancelOp
		}
		from := c.layoutOf(old.layoutID())
		l, ok := c.merged(from, p.own.layout)
		if !ok {
			return old, otter.CancelOp
		}
		b.reset(len(l.features))
		b.takeOld(l, old, from, c.clock.Now())
		b.forms.begin(c.Interner)
		pl := p.plan(l.id)
		for i, of := range p.Fields {
			base := l.position(of.base)
			if at := int(pl.index[i]); b.values[at] == nil && base >= 0 && b.values[base] != nil {
				b.forms.add(i, of, b.values[base])
				b.put(at, of, &b.forms, i, b.values[base], b.ticks[base])
				made = true
			}
		}
		r := row("")
		if made {
			r = b.build(l, old.version(), int(c.maxRow.Load()))
		}
		if r == "" {
			made = false
			return old, otter.CancelOp
		}
		c.stats.rows.Add(1)
		c.stats.fields.Add(int64(r.present()))
		return r, otter.WriteOp
	})
	b.release()
	builders.Put(b)
	return made
}

// holdsFor tells whether the row holds something fresh as stored that pl's
// projection wants in another form and that is not there.
func (r row) holdsFor(pl *plan, now Tick) bool {
	for i, f := range pl.fields {
		if f.form == formStored || pl.index[i] >= 0 && r.fresh(int(pl.index[i]), f, now) {
			continue
		}
		if at := pl.layout.position(f.base); at >= 0 && r.fresh(at, f, now) {
			return true
		}
	}
	return false
}
