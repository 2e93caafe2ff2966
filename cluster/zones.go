package cluster

import "context"

// zones asks for the zone of each node; "": the store says that it has none. Of
// nodes that are not there nothing is said.
func (s *session) zones(ctx context.Context, secure bool) map[string]string {
	reply, err := s.do(ctx, []string{"CLUSTER", "SHARDS"})[0].ToAny()
	if err != nil {
		return nil
	}
	return parseZones(reply, s.address, secure)
}

// withLastZones is t with the zones last known of the nodes of which it was not
// told this time: that a store has no answer once does not move anybody.
func (d *Discovery) withLastZones(t *Topology) *Topology {
	if !d.config().Zones {
		return t
	}
	zones := make(map[string]string)
	for _, node := range t.Nodes() {
		zone, told := t.zones[node]
		if !told {
			zone = d.lastZones[node]
		}
		if zone != "" {
			zones[node] = zone
		}
	}
	d.lastZones = zones
	return t.WithZones(zones)
}
