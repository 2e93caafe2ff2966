//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// brokerHeap is the broker's heap: what these tests keep in it is small, and a
// machine under test runs much beside it.
const brokerHeap = "-Xmx384m"

// brokerProperties are the settings of a broker that is its own controller: its
// client address, its controller address twice, and its folder.
//
// Retention is looked at often, so that a test of a retention gap need not
// wait, and a topic exists only where a test made it: one that was deleted must
// not come back because somebody asked for it.
const brokerProperties = `process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://%[1]s,CONTROLLER://%[2]s
advertised.listeners=PLAINTEXT://%[1]s
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=%[2]s
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=%[3]s
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.check.interval.ms=500
log.segment.delete.delay.ms=100
`

// kafkaRecord is what a topic keeps of an update: the entity, and what changed.
type kafkaRecord struct{ key, value string }

// broker is a running Apache Kafka of one node, broker and controller.
type broker struct {
	*process
	addr       string
	client     *kgo.Client // of another make than the one under test
	classes    string      // the class path
	properties string      // its file of settings
}

// startKafka formats a folder and runs a broker on it, and waits until it
// answers.
func startKafka(t testing.TB) *broker {
	t.Helper()
	dir := t.TempDir()
	b := &broker{
		addr:       loopback(freePort(t)),
		classes:    filepath.Join(cached(t, "kafka/lib", "Apache Kafka"), "*"),
		properties: filepath.Join(dir, "server.properties"),
	}
	settings := fmt.Sprintf(brokerProperties, b.addr, loopback(freePort(t)), filepath.Join(dir, "log"))
	if err := os.WriteFile(b.properties, []byte(settings), 0o600); err != nil {
		t.Fatalf("writing the broker's settings: %v", err)
	}
	format := exec.CommandContext(t.Context(), needProgram(t, "java"), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", b.classes,
		"kafka.tools.StorageTool", "format", "--standalone", "--cluster-id", newClusterID(), "--config", b.properties)
	if out, err := format.CombinedOutput(); err != nil {
		t.Fatalf("formatting the broker's folder: %v\n%s", err, out)
	}
	var err error
	b.client, err = kgo.NewClient(kgo.SeedBrokers(b.addr),
		// Without idempotence, which a topic made again would confuse; in order
		// all the same. A record may come twice, as in life.
		kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1),
		kgo.MetadataMinAge(pollInterval), kgo.UnknownTopicRetries(-1))
	if err != nil {
		t.Fatalf("making a client of Kafka: %v", err)
	}
	t.Cleanup(b.client.Close)
	b.start(t)
	return b
}

// newClusterID is a random UUID as Kafka writes them; one that began with a
// hyphen would be taken for an option.
func newClusterID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	id[0] &= 0x7f           // so it begins with a letter
	id[6], id[8] = 0x40|id[6]&0x0f, 0x80|id[8]&0x3f
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// start runs the broker, also again after it was stopped or killed: on its old
// port, with the data that it had.
func (b *broker) start(t testing.TB) {
	t.Helper()
	b.process = startProcess(t, needProgram(t, "java"), brokerHeap, "-XX:TieredStopAtLevel=1",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", b.classes, "kafka.Kafka", b.properties)
	b.waitForPort(t, b.addr)
	// The controller may take over after the listener has opened.
	eventually(t, "an answer of the broker on "+b.addr, func() error { return b.client.Ping(t.Context()) })
}

// createTopic makes a topic and waits until each of its partitions is led.
// configs are pairs of a name and a value, such as retention.ms.
func (b *broker) createTopic(t testing.TB, topic string, partitions int, configs ...string) {
	t.Helper()
	wanted := kmsg.NewCreateTopicsRequestTopic()
	wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = topic, int32(partitions), 1
	for i := 0; i < len(configs); i += 2 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = configs[i], &configs[i+1]
		wanted.Configs = append(wanted.Configs, c)
	}
	request := kmsg.NewPtrCreateTopicsRequest()
	request.Topics = append(request.Topics, wanted)
	reply, err := request.RequestWith(t.Context(), b.client)
	if err == nil {
		err = kerr.ErrorForCode(reply.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("creating topic %s: %v", topic, err)
	}
	b.waitForPartitions(t, topic, partitions)
}

// deleteTopic deletes a topic and waits until the broker knows none of that
// name.
func (b *broker) deleteTopic(t testing.TB, topic string) {
	t.Helper()
	wanted := kmsg.NewDeleteTopicsRequestTopic()
	wanted.Topic = &topic
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TopicNames, request.Topics = []string{topic}, append(request.Topics, wanted)
	reply, err := request.RequestWith(t.Context(), b.client)
	if err == nil {
		err = kerr.ErrorForCode(reply.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("deleting topic %s: %v", topic, err)
	}
	b.client.PurgeTopicsFromClient(topic) // one made again is another topic
	b.waitForPartitions(t, topic, 0)
}

// growTopic gives a topic further partitions: as many as asked in all.
func (b *broker) growTopic(t testing.TB, topic string, partitions int) {
	t.Helper()
	wanted := kmsg.NewCreatePartitionsRequestTopic()
	wanted.Topic, wanted.Count = topic, int32(partitions)
	request := kmsg.NewPtrCreatePartitionsRequest()
	request.Topics = append(request.Topics, wanted)
	reply, err := request.RequestWith(t.Context(), b.client)
	if err == nil {
		err = kerr.ErrorForCode(reply.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("giving topic %s %d partitions: %v", topic, partitions, err)
	}
	b.client.PurgeTopicsFromClient(topic) // or it would go on with the partitions that it knows
	b.waitForPartitions(t, topic, partitions)
}

// deleteRecords makes a retention gap: nothing of a partition before its
// present end is kept.
func (b *broker) deleteRecords(t testing.TB, topic string, partition int) {
	t.Helper()
	wanted := kmsg.NewDeleteRecordsRequestTopicPartition()
	wanted.Partition, wanted.Offset = int32(partition), -1 // the end
	of := kmsg.NewDeleteRecordsRequestTopic()
	of.Topic, of.Partitions = topic, append(of.Partitions, wanted)
	request := kmsg.NewPtrDeleteRecordsRequest()
	request.Topics = append(request.Topics, of)
	reply, err := request.RequestWith(t.Context(), b.client)
	if err == nil {
		err = kerr.ErrorForCode(reply.Topics[0].Partitions[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("deleting the records of %s/%d: %v", topic, partition, err)
	}
}

// waitForPartitions waits until a topic has that many partitions, each with a
// leader; 0: until there is no such topic.
func (b *broker) waitForPartitions(t testing.TB, topic string, partitions int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d partitions of topic %s", partitions, topic), func() error {
		wanted := kmsg.NewMetadataRequestTopic()
		wanted.Topic = &topic
		request := kmsg.NewPtrMetadataRequest()
		request.Topics = append(request.Topics, wanted)
		reply, err := request.RequestWith(t.Context(), b.client)
		if err != nil {
			return err
		}
		led := 0
		for _, p := range reply.Topics[0].Partitions {
			if p.ErrorCode == 0 && p.Leader >= 0 {
				led++
			}
		}
		if led != partitions {
			return fmt.Errorf("%d partitions have a leader", led)
		}
		return nil
	})
}

// produce sends records to a topic and waits until the broker has them; those
// of one key keep their order.
func (b *broker) produce(t testing.TB, topic string, records ...kafkaRecord) {
	t.Helper()
	if err := b.tryProduce(t.Context(), topic, records...); err != nil {
		t.Fatal(err)
	}
}

// tryProduce is produce for a broker that may be down: it tries until ctx ends.
func (b *broker) tryProduce(ctx context.Context, topic string, records ...kafkaRecord) error {
	batch := make([]*kgo.Record, len(records))
	for i, r := range records {
		batch[i] = &kgo.Record{Topic: topic, Key: []byte(r.key), Value: []byte(r.value)}
	}
	if err := b.client.ProduceSync(ctx, batch...).FirstErr(); err != nil {
		return fmt.Errorf("producing %d records to %s: %w", len(records), topic, err)
	}
	return nil
}
