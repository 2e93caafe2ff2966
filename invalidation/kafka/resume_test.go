package kafka

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/fsproxy/fsproxy/invalidation"
)

// stopped ends the source once it vouches for what it read, and returns where it
// stood.
func (r *rig) stopped() []byte {
	r.t.Helper()
	var checkpoint []byte
	r.until("settled", func() bool { checkpoint = r.source.Checkpoint(); return checkpoint != nil })
	r.running()
	return checkpoint
}

// next is another process's source of the same Kafka, which goes on from there.
func (r *rig) next(checkpoint []byte) *rig {
	r.t.Helper()
	n := &rig{t: r.t, kafka: r.kafka, memory: &recorder{}, client: r.client}
	var err error
	if n.source, err = New(configOf(r.t, r.kafka), n.memory, slog.New(slog.DiscardHandler)); err != nil {
		r.t.Fatal(err)
	}
	if err := n.source.ResumeFrom(checkpoint, time.Second); err != nil {
		r.t.Fatal(err)
	}
	return n
}

// Records between two processes are read before anything is served, and none from
// before the checkpoint.
func TestRecordsBetweenTwoProcessesAreReadFirst(t *testing.T) {
	r := newRig(t, newKafka(t, 1)).started()
	r.produce(0, "", says("before"))
	r.wants(evicted("before"))
	r.caughtUp()
	checkpoint := r.stopped()
	r.produce(0, "", says("between 0"))
	r.produce(1, "", says("between 1"))
	n := r.next(checkpoint).started()
	did := n.memory.all()
	lift := slices.Index(did, "lift")
	for _, entity := range []string{"between 0", "between 1"} {
		if at := slices.Index(did, evicted(entity)); at < 0 || at > lift {
			t.Errorf("%s is not evicted before what is held is served: %q", entity, did)
		}
	}
	if n.memory.has(evicted("before")) || n.status().Gaps != 0 {
		t.Errorf("read again, or a gap: %q, %+v", did, n.status())
	}
	n.produce(1, "", says("after"))
	n.wants(evicted("after"))
}

// A partition that was not there is read from its beginning.
func TestAPartitionThatIsNewBetweenTwoProcessesIsReadWhole(t *testing.T) {
	r := newRig(t, newKafka(t, 1)).started()
	checkpoint := strings.Replace(string(r.stopped()), `,"1":0`, "", 1)
	if strings.Contains(checkpoint, `"1"`) {
		t.Fatalf("the test expects another checkpoint: %s", checkpoint)
	}
	r.produce(1, "", says("in the new one"))
	n := r.next([]byte(checkpoint)).started()
	if did := n.memory.all(); slices.Index(did, "lift") < slices.Index(did, evicted("in the new one")) || !n.memory.has("lift") {
		t.Errorf("%q", did)
	}
}

// Where the checkpoint is not of this topic, or lies where nothing can be read
// from, what is covered is forgotten and reading begins as without it.
func TestACheckpointThatProvesNothingIsNotUsed(t *testing.T) {
	r := newRig(t, newKafka(t, 1)).started()
	checkpoint := string(r.stopped())
	at := strings.Index(checkpoint, `"id":"`) + len(`"id":"`)
	for name, bad := range map[string]string{
		"another topic":         checkpoint[:at] + "00" + checkpoint[at+2:],
		"beyond the end":        strings.Replace(checkpoint, `"0":0`, `"0":1000`, 1),
		"a partition not there": strings.Replace(checkpoint, `"1":0`, `"7":0`, 1),
		"negative":              strings.Replace(checkpoint, `"0":0`, `"0":-5`, 1),
	} {
		if bad == checkpoint {
			t.Fatalf("%s: the test expects another checkpoint: %s", name, checkpoint)
		}
		n := r.next([]byte(bad)).started()
		if n.memory.has("lift") {
			t.Errorf("%s: what is held is served: %q", name, n.memory.all())
		}
		if name == "beyond the end" && n.status().Gaps == 0 {
			t.Errorf("%s: no gap", name)
		}
		n.running()
	}
	if err := r.source.ResumeFrom([]byte("nonsense"), 0); err == nil {
		t.Error("nonsense is taken for a checkpoint")
	}
}

// A source that is not trusted vouches for nothing.
func TestASourceInTroubleGivesNoCheckpoint(t *testing.T) {
	r := newRig(t, newKafka(t, 1))
	if r.source.Checkpoint() != nil {
		t.Error("a checkpoint before it runs")
	}
	r.started()
	r.until("settled", func() bool { return r.source.Checkpoint() != nil })
	r.source.topics[0].guard.Report(invalidation.Health{Positioned: false})
	if r.source.topics[0].guard.Vouches() {
		t.Error("it vouches for what it lost")
	}
}

// A topic that cannot be asked is not one that was read to its end: what an
// earlier process left behind is not served meanwhile.
func TestATopicThatWasNotReadToItsEndIsNotServedBecauseItCannotBeAsked(t *testing.T) {
	r := newRig(t, newKafka(t, 1)).started()
	checkpoint := r.stopped()
	r.produce(0, "", says("between"))
	n := r.next(checkpoint)
	// Who leads the partitions is told, and nothing else.
	trouble := n.kafka.Fault(faultOf(fetching, kerr.NotLeaderForPartition, -1), faultOf(listOffsets, kerr.NotLeaderForPartition, -1))
	n.run()
	n.until("in trouble", func() bool { return n.status().Error != "" })
	if state := n.status().State; state == invalidation.StateTrusted || n.memory.has("lift") {
		t.Errorf("%s: what is held is served before the record between was read: %q", state, n.memory.all())
	}
	trouble.Remove()
	n.wants("lift")
	if did := n.memory.all(); slices.Index(did, "lift") < slices.Index(did, evicted("between")) || !n.memory.has(evicted("between")) {
		t.Errorf("%q", did)
	}
}
