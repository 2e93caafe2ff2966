//go:build unix

package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fsproxy/fsproxy/feature/codec"
)

var names = []string{"number0", "number1", "number2", "number3", "number4", "number5", "number6", "number7", "embedding", "stores"}

var (
	embeddingForm = codec.Form{Type: codec.Embedding, Encoding: codec.Protobuf, Dimension: 128}
	storesForm    = codec.Form{Type: codec.IntList, Encoding: codec.SnappyProtobuf}
)

// load has the store hold the features of all entities.
func load(ctx context.Context, store string) error {
	client := redis.NewClient(&redis.Options{Addr: store, Protocol: 2})
	defer client.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	for e := range entities {
		var fields []any
		for _, name := range names[:8] {
			fields = append(fields, name, strconv.FormatFloat(rng.Float64(), 'f', 4, 64))
		}
		var floats, ints []byte
		for range 128 {
			floats = binary.LittleEndian.AppendUint32(floats, math.Float32bits(rng.Float32()))
		}
		for range 50 {
			ints = binary.LittleEndian.AppendUint64(ints, uint64(rng.IntN(100_000)))
		}
		embedding, err := embeddingForm.Encode(nil, floats)
		if err != nil {
			return err
		}
		stores, err := storesForm.Encode(nil, ints)
		if err != nil {
			return err
		}
		fields = append(fields, "embedding", embedding, "stores", stores)
		if err := client.HSet(ctx, fmt.Sprint("store:", e), fields...).Err(); err != nil {
			return err
		}
	}
	return nil
}

// measure has a client in Go make predictions.
func measure(ctx context.Context, r route, predictions int) (cost, error) {
	client := redis.NewClient(&redis.Options{Addr: r.address, Protocol: 2, PoolSize: 1})
	defer client.Close()
	for n := range entities / prediction { // fills the cache
		if _, err := predict(ctx, client, r.decoded, n); err != nil {
			return cost{}, err
		}
	}
	cpu, clock := used(), time.Now()
	for n := range predictions {
		if _, err := predict(ctx, client, r.decoded, n); err != nil {
			return cost{}, err
		}
	}
	each := float64(predictions)
	return cost{CPU: (used() - cpu).Seconds() / each, Clock: time.Since(clock).Seconds() / each}, nil
}

// used is the CPU time that this process took.
func used() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// predict reads the features of one prediction, and adds something of each up.
func predict(ctx context.Context, client *redis.Client, decoded bool, n int) (sum float64, err error) {
	pipe := client.Pipeline()
	replies := make([]*redis.SliceCmd, prediction)
	for i := range replies {
		replies[i] = pipe.HMGet(ctx, fmt.Sprint("store:", (n*prediction+i)%entities), names...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return 0, err
	}
	for _, reply := range replies {
		values := reply.Val()
		for _, v := range values[:8] {
			x, err := strconv.ParseFloat(v.(string), 64)
			if err != nil {
				return 0, err
			}
			sum += x
		}
		embedding, stores := []byte(values[8].(string)), []byte(values[9].(string))
		if !decoded {
			if embedding, err = embeddingForm.Decode(nil, embedding); err != nil {
				return 0, err
			}
			if stores, err = storesForm.Decode(nil, stores); err != nil {
				return 0, err
			}
		}
		floats, ints := make([]float32, len(embedding)/4), make([]int64, len(stores)/8)
		for i := range floats {
			floats[i] = math.Float32frombits(binary.LittleEndian.Uint32(embedding[4*i:]))
		}
		for i := range ints {
			ints[i] = int64(binary.LittleEndian.Uint64(stores[8*i:]))
		}
		sum += float64(floats[0]) + float64(ints[0])
	}
	return sum, nil
}
