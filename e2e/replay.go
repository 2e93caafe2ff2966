//go:build e2e

package e2e

import (
	"fmt"
	"testing"
)

const (
	// checkedTogether is how many predictions are compared with the store in
	// one round trip to each of its nodes.
	checkedTogether = 32
	// shownMismatches is how many mismatches a report spells out.
	shownMismatches = 5
)

// model is a consumer of features: the ordered fields that it reads of each
// entity type.
type model struct{ projections [len(entityTypes)][]string }

// replayModels returns the models that take turns, so that rows are asked for
// more, fewer, and otherwise ordered fields than they were filled with.
func replayModels() []model {
	var whole, half, reversed model
	for i, entityType := range entityTypes {
		fields := featureFields(entityType)
		whole.projections[i] = fields
		half.projections[i] = fields[:len(fields)/2]
		for j := len(fields) - 1; j >= 0; j -= 2 {
			reversed.projections[i] = append(reversed.projections[i], fields[j])
		}
	}
	return []model{whole, half, reversed}
}

// replayed is one HMGET of a prediction: its request and what the proxy
// answered.
type replayed struct {
	entity  string
	request []byte
	answer  string
}

// replayTally counts what a replay did.
type replayTally struct {
	predictions, requests, fields int
	mismatches                    int
	shown                         []string // the first mismatches
}

func (t *replayTally) add(o replayTally) {
	t.predictions += o.predictions
	t.requests += o.requests
	t.fields += o.fields
	t.mismatches += o.mismatches
	t.shown = append(t.shown, o.shown...)
}

// replayer is one connection's part of a replay. It is used by one goroutine.
type replayer struct {
	proxy   *wire
	fleet   *fleet
	direct  []*wire // by shard, to one of its nodes
	models  []model
	tally   replayTally
	pending []replayed // answered and not yet compared
}

// newReplayer connects replayer number n: which node of each shard it compares
// with depends on n.
func newReplayer(t testing.TB, p *proxy, f *fleet, models []model, n int) *replayer {
	t.Helper()
	r := &replayer{proxy: dialWire(t, p.addr), fleet: f, models: models}
	for _, s := range f.shards {
		r.direct = append(r.direct, dialWire(t, s.nodes[n%len(s.nodes)].addr))
	}
	return r
}

// predict reads the features of one flight through the proxy, all its HMGETs
// in one pipeline.
func (r *replayer) predict(f flight) error {
	m := r.models[f.number%len(r.models)]
	var pipeline []byte
	first := len(r.pending)
	for i, entity := range f.entities() {
		command := append([]string{"HMGET", entity}, m.projections[i]...)
		request := appendCommand(nil, command...)
		pipeline = append(pipeline, request...)
		r.pending = append(r.pending, replayed{entity: entity, request: request})
		r.tally.fields += len(m.projections[i])
	}
	answers, err := r.proxy.exchange(pipeline, len(entityTypes))
	if err != nil {
		return fmt.Errorf("prediction %d through fsproxy: %w", r.tally.predictions+1, err)
	}
	for i, a := range answers {
		r.pending[first+i].answer = a
	}
	r.tally.predictions++
	r.tally.requests += len(entityTypes)
	if len(r.pending) >= checkedTogether*len(entityTypes) {
		return r.compare()
	}
	return nil
}

// compare asks the store itself for all that is pending and counts what
// differs by a byte. The store must not have changed since predict.
func (r *replayer) compare() error {
	batches := make([][]byte, len(r.direct))
	members := make([][]replayed, len(r.direct))
	for _, q := range r.pending {
		s := r.fleet.shardOf(q.entity)
		batches[s] = append(batches[s], q.request...)
		members[s] = append(members[s], q)
	}
	for s, w := range r.direct {
		answers, err := w.exchange(batches[s], len(members[s]))
		if err != nil {
			return fmt.Errorf("asking shard %d itself: %w", s, err)
		}
		for i, want := range answers {
			r.judge(members[s][i], want)
		}
	}
	r.pending = r.pending[:0]
	return nil
}

// judge counts a mismatch where the proxy's answer is not the store's.
func (r *replayer) judge(q replayed, want string) {
	if q.answer == want {
		return
	}
	r.tally.mismatches++
	if len(r.tally.shown) < shownMismatches {
		r.tally.shown = append(r.tally.shown,
			fmt.Sprintf("%s: fsproxy %.300q, the store %.300q", q.entity, q.answer, want))
	}
}
