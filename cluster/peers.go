package cluster

import "slices"

// Peers are the addresses of the fetchers of a slot; none while the store was
// not found, or nobody serves the slot.
func (u *Upstream) Peers(slot uint16) []string {
	v := u.view.Load()
	if v == nil {
		return nil
	}
	shard := v.shardOf(slot)
	if shard < 0 {
		return nil
	}
	return slices.Clone(v.topology.Shards[shard].Nodes)
}

// From is the address of the fetcher that f was last sent to; "": of none. It is
// for the Owner, within Done.
func (f *Fetch) From() string {
	if f.fetcher == nil {
		return ""
	}
	return f.fetcher.addr
}
