package cache

import "github.com/fsproxy/fsproxy/resp"

// AppendIn appends a value of the store's field, element in wire form as a fetcher
// gave it in version v, as a view has it. A value that does not decode is appended
// as it is. Nothing is interned.
func (in *Interner) AppendIn(out []byte, view View, field, element []byte, v resp.Version) []byte {
	if !view.Decoded {
		return appendElement(out, element, v)
	}
	in.mu.RLock()
	f := in.features[string(field)]
	var r *rules
	if f == nil {
		r = in.cfg.rules(string(field))
	}
	in.mu.RUnlock()
	if f != nil {
		r = f.rules.Load()
	}
	return r.appendIn(out, view, element, v, func() {
		if f != nil {
			f.undecoded.Add(1)
		}
	})
}

func (r *rules) appendIn(out []byte, view View, element []byte, v resp.Version, undecoded func()) []byte {
	d, form := r.definition, r.formIn(view)
	if form == formStored {
		form = formPacked
	}
	byDefault := d != nil && d.Default != nil && view.Defaults
	switch missing := resp.IsNil(element); {
	case missing && byDefault:
		return form.appendDecoded(out, d, d.Default)
	case missing || d == nil || same(d.Form):
		return append(out, element...)
	}
	before := len(out)
	out, err := form.append(out, d, payload(element))
	switch {
	case isNull(err) && byDefault:
		return form.appendDecoded(out[:before], d, d.Default)
	case isNull(err):
		return resp.AppendNil(out[:before], v)
	case err != nil:
		undecoded()
		return append(out[:before], element...)
	}
	return out
}
