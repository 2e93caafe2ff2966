package cache

// Value is what f has of its projection's field at position i, fresh or not: in
// wire form, and the tick at which its fetch began. It must not be written to.
// False: it has nothing of it.
func (f *Found) Value(i int) (wire []byte, began Tick, ok bool) {
	if f.plan == nil {
		return nil, 0, false
	}
	at := int(f.plan.index[i])
	if at < 0 || f.row.isAbsent(at) {
		return nil, 0, false
	}
	return f.row.value(at), f.row.tick(at), true
}
