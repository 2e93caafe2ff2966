package cache

import "github.com/fsproxy/fsproxy/resp"

// AppendIn appends a value of the store's field, element in wire form as a fetcher
// gave it, as a view and version v have it. A value that does not decode is
// appended as it is. Nothing is interned.
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
	form := r.formIn(view)
	if form == formStored {
		form = formPacked
	}
	if resp.IsNil(element) {
		if d := r.definition; d != nil && d.Default != nil && view.Defaults {
			return form.appendDecoded(out, d, d.Default)
		}
		return resp.AppendNil(out, v)
	}
	if r.definition == nil || same(r.definition.Form) {
		return append(out, element...)
	}
	before := len(out)
	out, err := form.append(out, r.definition, payload(element))
	switch {
	case isNull(err):
		return r.appendIn(out[:before], view, nil2, v, undecoded)
	case err != nil:
		undecoded()
		return append(out[:before], element...)
	}
	return out
}
