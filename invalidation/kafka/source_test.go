package kafka

import (
	"testing"
)

func TestReadingBeginsAtTheEndOfEveryPartition(t *testing.T) {
	r := newRig(t, newKafka(t, 3))
	r.produce(0, "", says("old0"))
	r.produce(1, "", says("old1"))
	r.started()
	r.produce(0, "", says("new0"))
	r.produce(1, "", says("new1"))
	r.wants(evicted("new0"), evicted("new1"))
	r.caughtUp()
	if done := r.memory.all(); len(done) != 2 {
		t.Errorf("done: %v", done)
	}
	if s := r.status(); s.Gaps != 0 || s.Position != "0:2 1:2" {
		t.Errorf("%+v", s)
	}
}
