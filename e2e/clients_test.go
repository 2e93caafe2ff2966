//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// clientEntities are what the drivers read; clientReads takes all of them and
// the textEntity.
var clientEntities = entityKind{prefix: "cl", features: 6, entities: 49}

// textEntity holds values that a client could take for others.
const textEntity = "cl_text"

var textValues = hash{
	"empty":  "",
	"spaces": " a b ",
	"lines":  "two\r\nlines",
	"utf8":   "naïve ✓",
	"quotes": `"\`,
}

// clientHashes is what the stores hold for the drivers.
func clientHashes() map[string]hash {
	hashes := clientEntities.hashes()
	hashes[textEntity] = textValues
	return hashes
}

// clientRead is one HMGET of the drivers.
type clientRead struct {
	key    string
	fields []string
}

// clientReads are the HMGETs of the drivers: 50, with missing fields and
// unknown entities among them.
func clientReads() []clientRead {
	reads := []clientRead{{textEntity, []string{"empty", "missing", "spaces", "lines", "utf8", "quotes"}}}
	for i := range clientEntities.entities {
		reads = append(reads, clientRead{clientEntities.key(i), clientEntities.projection()})
	}
	return reads
}

// writeReads writes the drivers' file of reads and returns its path.
func writeReads(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	for _, r := range clientReads() {
		b.WriteString(r.key + "\t" + strings.Join(r.fields, "\t") + "\n")
	}
	path := filepath.Join(t.TempDir(), "reads.tsv")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatalf("writing the reads: %v", err)
	}
	return path
}

// readAnswers are the answers that a driver has to print whatever the store.
func readAnswers() answers {
	hashes := clientHashes()
	var hmgets, hgets []any
	for _, r := range clientReads() {
		values := make([]any, len(r.fields))
		for i, f := range r.fields {
			if v, ok := hashes[r.key][f]; ok {
				values[i] = v
			}
		}
		hmgets = append(hmgets, values)
		hgets = append(hgets, values[0])
	}
	return answers{
		"hmget":     hmgets,
		"hget":      hgets,
		"pipeline":  hmgets,
		"pool":      []any{hmgets, hmgets, hmgets, hmgets},
		"reconnect": hmgets[0],
	}
}

// writeAnswers are the answers that a driver has to print besides, where it
// may write.
func writeAnswers() answers {
	return answers{
		"hset":                   2.,
		"hmget after hset":       []any{"1", "2", nil},
		"hset again":             0.,
		"hmget after hset again": []any{"3", "2", nil},
		"hgetall":                map[string]any{"a": "3", "b": "2"},
		"expire":                 1.,
		"multi":                  []any{1., []any{"3", "2", "5"}},
		"eval":                   "2",
		"hmget after eval":       []any{"9", "2"},
		"pubsub":                 "hello",
		"del":                    1.,
		"hmget after del":        []any{nil, nil, nil},
	}
}

// clientStore is what stands behind fsproxy: holding clientHashes, written
// without fsproxy.
type clientStore struct {
	name     string
	upstream string // address for discovery
	writable bool
}

// startClientStores starts one store of each kind that fsproxy knows.
func startClientStores(t *testing.T) []clientStore {
	t.Helper()
	single := startStore(t)
	single.load(t, clientHashes())
	cluster := startRedisCluster(t)
	cluster.load(t, clientHashes())
	fleet := startFleet(t)
	fleet.load(t, clientHashes())
	return []clientStore{
		{"one Redis", single.addr, true},
		{"Redis Cluster", cluster.nodes[0].addr, true},
		{"fleet behind an RCM", startRCM(t, fleet.topology()).addr, false},
	}
}

// TestClients runs every driver of clientTable in every mode and protocol
// version in front of every kind of store.
func TestClients(t *testing.T) {
	stores, reads := startClientStores(t), writeReads(t)
	for _, c := range clientTable {
		t.Run(c.title(), func(t *testing.T) {
			t.Parallel()
			for _, run := range c.runs() {
				for _, s := range stores {
					t.Run(fmt.Sprintf("%s/RESP%d/%s", run.mode, run.protocol, s.name), func(t *testing.T) {
						t.Parallel()
						c.check(t, run, s, reads)
					})
				}
			}
		})
	}
}

// check runs the driver of c in front of one store.
func (c clientLibrary) check(t *testing.T, run clientRun, s clientStore, reads string) {
	d := c.driver(t)
	p := startProxy(t, "auto", s.upstream)
	p.waitForStore(t)
	host, port, _ := strings.Cut(p.addr, ":")
	args := []string{c.name, host, port, run.mode, strconv.Itoa(run.protocol), reads}
	want := readAnswers()
	if s.writable {
		// The stores are shared: a key that no other run writes.
		args = append(args, "written through "+p.addr)
		for check, answer := range writeAnswers() {
			want[check] = answer
		}
	}
	for _, check := range c.missing(run) {
		delete(want, check)
	}

	got, err := d.run(t, args...)
	if c.refuses != "" {
		if err == nil || !strings.Contains(err.Error(), c.refuses) {
			t.Fatalf("the client should end with %q, ended with: %v", c.refuses, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	c.checkIdentity(t, got, run.protocol)
	checkAnswers(t, got, want)
	checkMemory(t, p, want)
}

// waitForStore waits until fsproxy has found its store, which it need not have
// to be ready.
func (p *proxy) waitForStore(t testing.TB) {
	t.Helper()
	eventually(t, "fsproxy finding its store", func() error {
		for _, s := range p.samples(t) {
			if s.name == "fsproxy_topology_fetchers" && s.value > 0 {
				return nil
			}
		}
		return errors.New("fsproxy_topology_fetchers is 0")
	})
}

// checkIdentity compares which library ran and which protocol version it
// spoke, and takes the two out of got.
func (c clientLibrary) checkIdentity(t *testing.T, got answers, protocol int) {
	t.Helper()
	if version, ok := got["version"].(string); !ok || version != c.version {
		t.Errorf("the library is version %v, want %s: run `make e2e-setup`", got["version"], c.version)
	}
	if info := fmt.Sprint(got["protocol"]); !strings.Contains(info+" ", fmt.Sprintf(" resp=%d ", protocol)) {
		t.Errorf("CLIENT INFO says %q, want resp=%d", info, protocol)
	}
	delete(got, "version")
	delete(got, "protocol")
}

// checkAnswers compares what a driver printed.
func checkAnswers(t *testing.T, got, want answers) {
	t.Helper()
	for check, answer := range want {
		if where, g, w := firstDifference(got[check], answer); where != "none" {
			t.Errorf("%s%s: answered %#v, want %#v", check, where, g, w)
		}
		delete(got, check)
	}
	for check, answer := range got {
		t.Errorf("%s: answered %v, but the table says that the client has no such call", check, answer)
	}
}

// firstDifference returns where two answers differ, as indexes, and what is there;
// "none" when they are equal.
func firstDifference(got, want any) (where string, g, w any) {
	gotAll, ok := got.([]any)
	wantAll, both := want.([]any)
	if ok && both && len(gotAll) == len(wantAll) {
		for i := range wantAll {
			if where, g, w := firstDifference(gotAll[i], wantAll[i]); where != "none" {
				return fmt.Sprintf("[%d]%s", i, where), g, w
			}
		}
		return "none", nil, nil
	}
	if reflect.DeepEqual(got, want) {
		return "none", nil, nil
	}
	return "", got, want
}

// checkMemory fails the test when the reads after the first round did not come
// from memory: a client that gets right values past the cache gains nothing.
func checkMemory(t *testing.T, p *proxy, want answers) {
	t.Helper()
	again := 0
	for check, times := range map[string]int{"pipeline": 1, "pool": 4} {
		if _, ok := want[check]; !ok {
			continue
		}
		for _, r := range clientReads() {
			again += times * len(r.fields)
		}
	}
	if counts := p.fields(t); counts.fromMemory() < again {
		t.Errorf("of %d fields read again, %d came from memory: %v", again, counts.fromMemory(), counts)
	}
}

// WATCH needs a connection of its own, which go-redis' pool gives.
func TestGoRedisWatchSeesAWriteOfAnother(t *testing.T) {
	p := startProxy(t, "auto", startStore(t).addr)
	client := redis.NewClient(&redis.Options{Addr: p.addr})
	t.Cleanup(func() { _ = client.Close() })
	ctx, key := t.Context(), "st_1"

	replace := func(between func()) error {
		return client.Watch(ctx, func(tx *redis.Tx) error {
			between()
			_, err := tx.TxPipelined(ctx, func(in redis.Pipeliner) error { return in.HSet(ctx, key, "a", "2").Err() })
			return err
		}, key)
	}
	write := func() { mustHSet(ctx, t, client, key, "a", "1") }
	if err := replace(write); !errors.Is(err, redis.TxFailedErr) {
		t.Errorf("WATCH of a key that another wrote: %v, want %v", err, redis.TxFailedErr)
	}
	if got := client.HGet(ctx, key, "a").Val(); got != "1" {
		t.Errorf("after a transaction that failed, a is %q, want 1", got)
	}
	if err := replace(func() {}); err != nil {
		t.Errorf("WATCH of a key that nobody wrote: %v", err)
	}
	if got := client.HGet(ctx, key, "a").Val(); got != "2" {
		t.Errorf("after a transaction, a is %q, want 2", got)
	}
}

func mustHSet(ctx context.Context, t testing.TB, client *redis.Client, key string, pairs ...any) {
	t.Helper()
	if err := client.HSet(ctx, key, pairs...).Err(); err != nil {
		t.Fatalf("HSET %s: %v", key, err)
	}
}
