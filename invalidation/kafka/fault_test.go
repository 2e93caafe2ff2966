package kafka

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/fsproxy/fsproxy/invalidation"
)

// Numbers of requests.
const (
	fetching    = kmsg.Fetch
	listOffsets = kmsg.ListOffsets
)

func faultOf(key kmsg.Key, err *kerr.Error, count int) kfake.Fault {
	return kfake.Fault{Keys: []kmsg.Key{key}, Err: err, Count: count}
}

// pausable has changes wait until memory.slow is closed, or is sent to.
func (r *rig) pausable() *rig {
	r.memory.slow = make(chan struct{})
	r.t.Cleanup(func() {
		select {
		case <-r.memory.slow:
		default:
			close(r.memory.slow)
		}
	})
	return r
}

func (r *rig) gaps(want uint64) {
	r.t.Helper()
	r.until(fmt.Sprintf("%d gaps", want), func() bool { return r.status().Gaps >= want })
}

func (r *rig) noGap() {
	r.t.Helper()
	if s := r.status(); s.Gaps != 0 {
		r.t.Errorf("gaps: %+v", s)
	}
}

// H7
func TestANewPartitionIsReadFromItsFirstRecord(t *testing.T) {
	r := newRig(t, newKafka(t, 2)).started()
	grow := kmsg.NewPtrCreatePartitionsRequest()
	topic := kmsg.NewCreatePartitionsRequestTopic()
	topic.Topic, topic.Count = updates, 4
	grow.Topics = append(grow.Topics, topic)
	if _, err := grow.RequestWith(t.Context(), r.client); err != nil {
		t.Fatal(err)
	}
	fresh := newProducer(t, r.kafka)
	for i := range 3 {
		for partition := range int32(4) {
			record := &kgo.Record{Topic: updates, Partition: partition, Value: []byte(says(fmt.Sprint("e", partition, "-", i)))}
			if err := fresh.ProduceSync(t.Context(), record).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 3 {
		for partition := range 4 {
			r.wants(evicted(fmt.Sprint("e", partition, "-", i)))
		}
	}
	r.caughtUp()
	r.noGap()
}

func TestBrokersThatComeBackLeaveNoGap(t *testing.T) {
	dir := t.TempDir()
	first, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(2, updates), kfake.DataDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	defer func() {
		if !closed {
			first.Close()
		}
	}()
	r := newRig(t, first).started()
	r.produce(0, "", says("before"))
	r.wants(evicted("before"))
	var ports []int
	for _, address := range first.ListenAddrs() {
		var port int
		if _, err := fmt.Sscanf(address[strings.LastIndexByte(address, ':')+1:], "%d", &port); err != nil {
			t.Fatal(err)
		}
		ports = append(ports, port)
	}
	first.Close()
	closed = true
	r.until("in trouble", func() bool { return r.status().Error != "" })
	second := newKafka(t, 2, kfake.Ports(ports...), kfake.DataDir(dir))
	r.client = newProducer(t, second)
	for i := range 4 {
		r.produce(int32(i%2), "", says(fmt.Sprint("after", i)))
	}
	for i := range 4 {
		r.wants(evicted(fmt.Sprint("after", i)))
	}
	r.caughtUp()
	r.noGap()
}

func TestOrderHoldsWhileLeadersMove(t *testing.T) {
	r := newRig(t, newKafka(t, 3)).started()
	const records = 300
	for i := range records {
		if i%30 == 0 {
			if err := r.kafka.MoveTopicPartition(updates, 0, int32(i/30%3)); err != nil {
				t.Fatal(err)
			}
		}
		r.produce(0, "", says(fmt.Sprint("e", i)))
	}
	r.wants(evicted(fmt.Sprint("e", records-1)))
	done := r.memory.all()
	for i := range records {
		if i >= len(done) || done[i] != evicted(fmt.Sprint("e", i)) {
			t.Fatalf("change %d is not in its place among %d: %v", i, len(done), done)
		}
	}
	r.noGap()
}

func TestErrorsOfFetchesAreTriedAgain(t *testing.T) {
	for _, err := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition, kerr.KafkaStorageError, kerr.UnknownServerError} {
		t.Run(err.Message, func(t *testing.T) {
			r := newRig(t, newKafka(t, 2)).started()
			fault := r.kafka.Fault(faultOf(fetching, err, 5))
			r.produce(0, "", says("a"))
			r.produce(1, "", says("b"))
			r.wants(evicted("a"), evicted("b"))
			if hits := fault.Hits(); hits == 0 {
				t.Error("no fetch failed: the test tests nothing")
			}
			r.caughtUp()
			r.noGap()
		})
	}
}

// H9
func TestRecordsThatWereDeletedUnreadAreAGap(t *testing.T) {
	r := newRig(t, newKafka(t, 1)).pausable().started()
	r.produce(0, "", says("read"))
	r.until("fetched", func() bool { return r.counters().Read == 1 })
	for i := range 3 {
		r.produce(0, "", says(fmt.Sprint("lost", i)))
	}
	if err := r.kafka.DeleteRecords(updates, 0, 4); err != nil {
		t.Fatal(err)
	}
	close(r.memory.slow)
	r.gaps(1)
	r.produce(0, "", says("after"))
	r.wants(evicted("after"))
	r.caughtUp()
	if s := r.status(); s.Position != "0:5 1:0" || s.Gaps != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAnOffsetOutOfRangeIsAGapAndNeverSkips(t *testing.T) {
	r := newRig(t, newKafka(t, 1))
	r.produce(0, "", says("early"))
	r.started()
	r.kafka.Fault(faultOf(fetching, kerr.OffsetOutOfRange, 1))
	r.gaps(1)
	r.produce(0, "", says("late"))
	r.wants(evicted("early"), evicted("late")) // from the earliest that there is
	r.caughtUp()
}

func TestATopicMadeAgainIsReadFromItsBeginning(t *testing.T) {
	for name, test := range map[string]struct {
		options []kfake.Opt
		records int  // in the topic made again; in the one before there were 2
		seen    bool // that it was gone, before it is made again
	}{
		"shorter":                 {records: 1},
		"grown past the position": {records: 5},
		"empty":                   {},
		"gone for a while":        {records: 5, seen: true},
		"names, shorter":          {options: []kfake.Opt{old(t)}, records: 1},
		"names, gone for a while": {options: []kfake.Opt{old(t)}, records: 5, seen: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, newKafka(t, 2, test.options...)).started()
			r.produce(0, "", says("before0"))
			r.produce(0, "", says("before1"))
			r.wants(evicted("before1"))
			if err := r.kafka.DeleteTopic(updates); err != nil {
				t.Fatal(err)
			}
			if test.seen {
				r.until("said to be missing", func() bool { return r.status().Error == "topic updates does not exist" })
			}
			if err := r.kafka.CreateTopic(updates, 2, nil); err != nil {
				t.Fatal(err)
			}
			r.client = newProducer(t, r.kafka)
			for i := range test.records {
				r.produce(0, "", says(fmt.Sprint("after", i)))
			}
			r.gaps(1)
			for i := range test.records {
				r.wants(evicted(fmt.Sprint("after", i)))
			}
			r.caughtUp()
			r.produce(1, "", says("other partition"))
			r.wants(evicted("other partition"))
		})
	}
}

func TestTransactionsAreActedOnWhenTheyAreCommitted(t *testing.T) {
	r := newRig(t, newKafka(t, 1)).started()
	client := newClientOf(t, r.kafka, kgo.TransactionalID("tx"))
	transact := func(entity string, end kgo.TransactionEndTry) {
		if err := client.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: updates, Value: []byte(says(entity))}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if end == kgo.TryAbort { // what is open is unread
			r.until("behind", func() bool { return r.status().LagRecords > 0 })
		}
		if err := client.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
	}
	transact("committed", kgo.TryCommit)
	transact("aborted", kgo.TryAbort)
	r.produce(0, "", says("plain"))
	transact("committed too", kgo.TryCommit)
	r.wants(evicted("committed"), evicted("plain"), evicted("committed too"))
	r.caughtUp() // the markers at the end are no records
	if r.memory.has(evicted("aborted")) {
		t.Error("an aborted record was acted on")
	}
	r.noGap()
}

func TestCompactionLeavesNoGapAndNoStall(t *testing.T) {
	k := newKafka(t, 1)
	if err := k.CreateTopic("compacted", 1, map[string]string{"cleanup.policy": "compact"}); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, k, func(c *Config) {
		c.Topics = []TopicConfig{topicConfig(t, "compacted")}
		c.Topics[0].Rewind = time.Hour
	})
	for i := range 20 {
		r.produceTo("compacted", 0, fmt.Sprint("key", i%3), says(fmt.Sprint("e", i)))
	}
	k.Compact()
	r.started()
	r.wants(evicted("e19"))
	r.caughtUp()
	r.noGap()
	if c := r.counters(); c.Read == 20 {
		t.Log("nothing was compacted: the test tests little")
	}
}

func TestALeaderlessClusterIsFoundAgain(t *testing.T) {
	r := newRig(t, newKafka(t, 2)).started()
	leader := r.kafka.LeaderFor(updates, 0)
	if err := r.kafka.MoveTopicPartition(updates, 0, 1-leader); err != nil {
		t.Fatal(err)
	}
	if err := r.kafka.MoveTopicPartition(updates, 1, 1-leader); err != nil {
		t.Fatal(err)
	}
	if err := r.kafka.RemoveNode(leader); err != nil {
		t.Fatal(err)
	}
	r.produce(0, "", says("a"))
	r.produce(1, "", says("b"))
	r.wants(evicted("a"), evicted("b"))
	r.caughtUp()
	r.noGap()
}

func TestRunEndsSoonWhateverBrokersDo(t *testing.T) {
	r := newRig(t, newKafka(t, 1)).started()
	r.kafka.ControlKey(int16(listOffsets), func(kmsg.Request) (kmsg.Response, error, bool) {
		r.kafka.KeepControl()
		r.kafka.SleepControl(func() { time.Sleep(10 * time.Millisecond) })
		return nil, nil, false
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ended := make(chan struct{})
	go func() { r.running(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
		t.Fatal("Run goes on")
	}
	if s := r.status(); s.State != invalidation.StateTrusted {
		t.Errorf("leaving was taken for a loss: %+v", s)
	}
}
