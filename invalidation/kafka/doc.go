// Package kafka reads real-time updates, and markers, from Kafka topics: every
// partition of each topic, without a group, from the end at start.
//
// It promises that no record is missed without saying so. Where records are gone
// before they were read (retention, a topic made again, an offset out of range),
// the topic's guard is told of a gap and reading goes on at the earliest record
// there is; a position is never moved otherwise. How far behind it is comes from
// asking brokers for the ends of partitions, so that silence is not taken for
// health. Records that cannot be read are counted and skipped, never a stop.
//
// kafka-go finds brokers, authenticates and keeps the connections. The three
// requests that matter (metadata, offsets, fetch) are written here, on kafka-go's
// connections, because its own lack what this needs: the topic's identity, by
// which a topic made again is told from the one before; the last offset of a
// batch, without which a compacted tail or a batch of control records is read for
// ever; the partitions of a broker in one request; and bounds on what is
// decompressed.
package kafka
