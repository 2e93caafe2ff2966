//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"time"
)

const (
	// updatePause lies between two updates, on average.
	updatePause = 10 * time.Millisecond
	// uploadPause lies between two uploads, on average.
	uploadPause = 3 * time.Second
	// producedTogether bounds the records of one request.
	producedTogether = 100
)

// update changes values as real-time features do, until ctx ends: first the
// store, then a record.
func (s *soak) update(ctx context.Context) {
	rnd := rand.New(rand.NewPCG(s.seed, 1))
	for ctx.Err() == nil {
		sleep(ctx, time.Duration(rnd.Int64N(int64(2*updatePause))))
		of := kind(rnd.IntN(2)) // by eviction or by value
		entity := s.entity[zipf(rnd, len(s.entity))]
		fields := s.fields[of]
		from := rnd.IntN(len(fields))
		fields = fields[from : from+1+rnd.IntN(len(fields)-from)]
		absent := rnd.IntN(8) == 0
		s.change(entity, fields, absent, func(numbers []int) {
			r := soakRecord{topic: soakEvictTopic, fields: fields, numbers: numbers}
			r.key = entity
			if of == byValue {
				r.topic, r.value = soakValueTopic, s.jsonRecord(entity, fields, numbers, absent)
			} else {
				r.value = respRecord(entity, fields, numbers, absent)
			}
			select {
			case s.produced <- r:
			case <-ctx.Done():
			}
		})
	}
}

// zipf picks one of n, the first ones most often.
func zipf(rnd *rand.Rand, n int) int {
	return min(int(float64(n)*rnd.Float64()*rnd.Float64()), n-1)
}

// jsonRecord is a record of the format json.
func (s *soak) jsonRecord(entity string, fields []string, numbers []int, absent bool) string {
	values := map[string]any{}
	for i, f := range fields {
		values[f] = strconv.Itoa(numbers[i])
		if absent {
			values[f] = nil
		}
	}
	text, err := json.Marshal(map[string]any{"entity": entity, "features": values, "version": s.versions.Add(1)})
	if err != nil {
		panic(err) // text and nil can always be written
	}
	return string(text)
}

// respRecord is a record of the format resp.
func respRecord(entity string, fields []string, numbers []int, absent bool) string {
	command := []string{"HSET", entity}
	if absent {
		command[0] = "HDEL"
	}
	for i, f := range fields {
		command = append(command, f)
		if !absent {
			command = append(command, strconv.Itoa(numbers[i]))
		}
	}
	return string(appendCommand(nil, command...))
}

// produce sends records in their order, until ctx ends. While Kafka is down they
// wait: what they tell of counts as told once Kafka has them.
func (s *soak) produce(ctx context.Context) {
	for {
		var batch []soakRecord
		select {
		case r := <-s.produced:
			batch = append(batch, r)
		case <-ctx.Done():
			return
		}
		for len(batch) < producedTogether && len(s.produced) > 0 {
			batch = append(batch, <-s.produced)
		}
		byTopic := map[string][]kafkaRecord{}
		for _, r := range batch {
			byTopic[r.topic] = append(byTopic[r.topic], r.kafkaRecord)
		}
		for topic, records := range byTopic {
			for s.kafka.tryProduce(ctx, topic, records...) != nil {
				if ctx.Err() != nil {
					return
				}
			}
		}
		for _, r := range batch {
			for i, f := range r.fields {
				s.set(cell{r.key, f}, r.numbers[i], func(v *version) { v.told = time.Now() })
			}
		}
	}
}

// upload changes a feature of all entities, and then its marker, again and again
// until ctx ends.
func (s *soak) upload(ctx context.Context) {
	rnd := rand.New(rand.NewPCG(s.seed, 2))
	shard := s.fleet.shardOf(soakMarkers)
	for n := 1; ctx.Err() == nil; n++ {
		sleep(ctx, time.Duration(rnd.Int64N(int64(2*uploadPause))))
		which := rnd.IntN(len(s.names[byUpload]))
		name, field := s.names[byUpload][which], s.fields[byUpload][which]
		numbers := map[string]int{}
		for _, e := range s.entity {
			s.change(e, []string{field}, rnd.IntN(8) == 0, func(issued []int) { numbers[e] = issued[0] })
		}
		marker := hash{name: strconv.Itoa(n)}
		s.sending.Lock()
		s.mu.Lock()
		s.markers[name] = marker[name]
		s.mu.Unlock()
		s.send(shard, write{key: soakMarkers, fields: marker, done: s.whenAll(shard, func() {
			for e, number := range numbers {
				s.set(cell{e, field}, number, func(v *version) { v.told = time.Now() })
			}
		})})
		s.sending.Unlock()
	}
}
