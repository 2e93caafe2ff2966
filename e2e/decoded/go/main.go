// Command go reads decoded values with go-redis: go run . HOST:PORT
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"

	"github.com/redis/go-redis/v9"
)

func floats(packed string) []float32 {
	list := make([]float32, len(packed)/4)
	for i := range list {
		list[i] = math.Float32frombits(binary.LittleEndian.Uint32([]byte(packed[4*i : 4*i+4])))
	}
	return list
}

func ints(packed string) []int64 {
	list := make([]int64, len(packed)/8)
	for i := range list {
		list[i] = int64(binary.LittleEndian.Uint64([]byte(packed[8*i : 8*i+8])))
	}
	return list
}

func texts(packed string) (list []string) {
	for len(packed) > 0 {
		n := binary.LittleEndian.Uint32([]byte(packed[:4]))
		list = append(list, packed[4:4+n])
		packed = packed[4+n:]
	}
	return list
}

func main() {
	client := redis.NewClient(&redis.Options{Addr: os.Args[1]})
	values, err := client.HMGet(context.Background(), "store:1", "eta", "emb", "stores", "tags", "open", "orders").Result()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	eta, err := strconv.ParseFloat(values[0].(string), 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{
		"eta":    eta,
		"emb":    floats(values[1].(string)),
		"stores": ints(values[2].(string)),
		"tags":   texts(values[3].(string)),
		"open":   values[4] == "1",
		"orders": values[5], // nil: the store has none
	})
}
