//go:build unix

package cluster

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/fsproxy/fsproxy/resp"
)

// The read path on our own connection and the same through rueidis, against a
// fetcher that answers HMGETs of 50 fields with canned values over loopback, in
// a process of its own, so that cpu-ns/op is the reader's alone (the runtime's
// and the kernel's work for it included):
//
//	go test -run '^$' -bench 'Fetch|ConnectionMemory|HungFetcher' -count 6 ./cluster | tee new.txt
//	benchstat -col /by new.txt

const benchFields = 50

// hungKey is the key at which the canned fetcher stops answering a connection.
const hungKey = "hang"

func benchArgs(key string) []string {
	args := []string{"HMGET", key}
	for i := range benchFields {
		args = append(args, fmt.Sprint(2_496_559_700+i))
	}
	return args
}

// TestCannedFetcher is no test but the fetcher's process: it prints its address
// and serves until its standard input ends.
func TestCannedFetcher(t *testing.T) {
	if os.Getenv("FSPROXY_CANNED_FETCHER") == "" {
		t.Skip("the fetcher's side of the benchmarks")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(ln.Addr())
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go serveCanned(nc)
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func serveCanned(nc net.Conn) {
	defer nc.Close()
	canned := fmt.Sprintf("*%d\r\n", benchFields) + strings.Repeat(bulk("0.1234"), benchFields)
	parser := resp.NewParser(resp.DefaultLimits)
	buf, out := make([]byte, 0, 64<<10), []byte(nil)
	for {
		n, err := nc.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return
		}
		buf = buf[:len(buf)+n]
		start := 0
		for {
			n, err := parser.Next(buf[start:])
			if err != nil {
				return
			}
			if n == 0 {
				break
			}
			switch args := parser.Args(); {
			case string(args[0]) != "HMGET":
				out = append(out, store(nil)(0, args)...)
			case string(args[1]) == hungKey:
				_, _ = io.Copy(io.Discard, nc)
				return
			default:
				out = append(out, canned...)
			}
			start += n
		}
		buf = buf[:copy(buf, buf[start:])]
		if _, err := nc.Write(out); err != nil {
			return
		}
		out = out[:0]
	}
}

// startCanned starts the fetcher's process and returns its address.
func startCanned(b *testing.B) string {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestCannedFetcher$", "-test.timeout=10m")
	cmd.Env = append(os.Environ(), "FSPROXY_CANNED_FETCHER=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(addr)
}

// reader reads a batch of entities and returns when all are answered.
type reader interface {
	read(tb testing.TB)
	close()
}

// raw is our own connection.
type raw struct {
	u      *Upstream
	owners []*benchOwner
	batch  []*Fetch
	wg     sync.WaitGroup
}

type benchOwner struct {
	fetch   Fetch
	entity  []byte
	request []byte
	ends    []int
	wg      *sync.WaitGroup
	err     error
}

func (o *benchOwner) Done(reply []byte, _ bool, err error) Flusher {
	var ok bool
	if o.ends, ok = resp.BulkArray(reply, benchFields, o.ends[:0]); !ok && err == nil {
		err = fmt.Errorf("answered %q", clip(string(reply)))
	}
	o.err = err
	o.wg.Done()
	return nil
}

func newRaw(addr string, batch int) *raw {
	return newRawOn(benchUpstream(addr, 5*time.Second, 1), batch)
}

func benchUpstream(addr string, timeout time.Duration, connections int) *Upstream {
	u := NewUpstream(Config{
		Discovery:       DiscoveryConfig{Kind: KindStandalone, Addresses: []string{addr}},
		ConnectTimeout:  time.Second,
		FetchTimeout:    timeout,
		Connections:     connections,
		RefreshInterval: time.Hour,
		Log:             quiet,
	})
	for u.view.Load() == nil {
		time.Sleep(time.Millisecond)
	}
	return u
}

func newRawOn(u *Upstream, batch int) *raw {
	r := &raw{u: u}
	for i := range batch {
		key := fmt.Sprintf("st_%p_%d", r, i)
		r.owners = append(r.owners, &benchOwner{entity: []byte(key), request: resp.AppendCommand(nil, benchArgs(key)...), wg: &r.wg})
	}
	return r
}

func (r *raw) read(tb testing.TB) {
	r.wg.Add(len(r.owners))
	r.batch = r.batch[:0]
	for i, o := range r.owners {
		o.fetch = Fetch{Slot: uint16(i), Request: o.request, Owner: o, Entity: o.entity, Began: 1}
		r.batch = append(r.batch, &o.fetch)
	}
	r.u.Send(r.batch)
	r.wg.Wait()
	for _, o := range r.owners {
		if o.err != nil {
			tb.Error(o.err)
		}
	}
}

func (r *raw) close() { r.u.Close() }

// through is the same through rueidis, with the settings that a sidecar needs.
type through struct {
	client   rueidis.Client
	commands []rueidis.Completed
}

func newRueidis(tb testing.TB, addr string, option rueidis.ClientOption) rueidis.Client {
	option.InitAddress = []string{addr}
	option.ForceSingleClient = true
	option.PipelineMultiplex = -1 // one connection
	option.AlwaysPipelining = true
	option.AlwaysRESP2 = true
	option.DisableCache = true
	option.DisableRetry = true
	option.ClientSetInfo = rueidis.DisableClientSetInfo
	option.ReadBufferEachConn = 16 << 10
	option.WriteBufferEachConn = 16 << 10
	if option.Dialer.KeepAlive == 0 {
		option.Dialer = net.Dialer{Timeout: time.Second, KeepAlive: time.Hour}
		option.ConnWriteTimeout = 5 * time.Second
	}
	client, err := rueidis.NewClient(option)
	if err != nil {
		tb.Fatal(err)
	}
	return client
}

func newThrough(tb testing.TB, addr string, batch int) *through {
	return newThroughOn(newRueidis(tb, addr, rueidis.ClientOption{RingScaleEachConn: 8}), batch)
}

func newThroughOn(client rueidis.Client, batch int) *through {
	r := &through{client: client}
	for i := range batch {
		r.commands = append(r.commands, client.B().Arbitrary(benchArgs(fmt.Sprintf("st_%p_%d", r, i))...).Build().Pin())
	}
	return r
}

func (r *through) read(tb testing.TB) {
	for _, result := range r.client.DoMulti(context.Background(), r.commands...) {
		values, err := result.ToArray()
		if err != nil || len(values) != benchFields {
			tb.Errorf("%d values, %v", len(values), err)
		}
	}
}

func (r *through) close() { r.client.Close() }

func cpuTime() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkFetch counts fetches, not batches. pipelined=16: 16 leave together;
// pipelined=1: one at a time; callers=16: 16 goroutines, each one at a time, on
// one connection.
func BenchmarkFetch(b *testing.B) {
	addr := startCanned(b)
	makers := []struct {
		by   string
		make func(batch int) (first reader, more func() reader)
	}{
		{"raw", func(batch int) (reader, func() reader) {
			r := newRaw(addr, batch)
			return r, func() reader { return newRawOn(r.u, batch) }
		}},
		{"rueidis", func(batch int) (reader, func() reader) {
			r := newThrough(b, addr, batch)
			return r, func() reader { return newThroughOn(r.client, batch) }
		}},
	}
	for _, shape := range []struct {
		name           string
		batch, callers int
	}{{"pipelined=16", 16, 1}, {"pipelined=1", 1, 1}, {"callers=16", 1, 16}} {
		for _, m := range makers {
			b.Run(shape.name+"/by="+m.by, func(b *testing.B) {
				first, more := m.make(shape.batch)
				defer first.close()
				readers := []reader{first}
				for range shape.callers - 1 {
					readers = append(readers, more())
				}
				for _, r := range readers {
					r.read(b) // dial
				}
				b.ReportAllocs()
				b.ResetTimer()
				began := cpuTime()
				var wg sync.WaitGroup
				for i, r := range readers {
					wg.Go(func() {
						for range share(b.N, shape.batch*shape.callers, i) {
							r.read(b)
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				b.ReportMetric(float64(cpuTime()-began)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// share is how many batches reader i sends so that all make n fetches.
func share(n, perRound, i int) int {
	rounds := n / perRound
	if i == 0 {
		return max(rounds, 1)
	}
	return rounds
}

// BenchmarkConnectionMemory is the growth of heap and stacks for each connection
// that has answered a fetch and is idle. What is there once, however many
// connections there are (the slot table of 32 KiB), is not counted.
func BenchmarkConnectionMemory(b *testing.B) {
	addr := startCanned(b)
	const connections = 64
	b.Run("by=raw", func(b *testing.B) {
		for b.Loop() {
			u := benchUpstream(addr, 5*time.Second, connections)
			r := newRawOn(u, 1)
			before := inUse()
			for range connections {
				r.read(b) // they take turns
			}
			b.ReportMetric(float64(inUse()-before)/connections, "B/conn")
			u.Close()
		}
	})
	b.Run("by=rueidis", func(b *testing.B) {
		for b.Loop() {
			clients := make([]rueidis.Client, connections)
			before := inUse()
			for i := range clients {
				clients[i] = newRueidis(b, addr, rueidis.ClientOption{RingScaleEachConn: 6})
				newThroughOn(clients[i], 1).read(b)
			}
			b.ReportMetric(float64(inUse()-before)/connections, "B/conn")
			for _, c := range clients {
				c.Close()
			}
		}
	})
}

func inUse() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// BenchmarkHungFetcher tells how long callers waited who allowed 20 ms, when
// 256 of them ask a fetcher that hangs; rueidis' ring has 64 slots. rueidis
// finds the hung connection out by its PING, here every second (its default);
// without it callers past the ring wait for ever. 15 s end its trial.
func BenchmarkHungFetcher(b *testing.B) {
	const (
		allowed = 20 * time.Millisecond
		callers = 256
		trial   = 15 * time.Second
	)
	addr := startCanned(b)
	// each is given a function that makes a caller wait, and how to end it.
	each := func(b *testing.B, start func() (call func(i int), end func())) {
		var all []time.Duration
		for b.Loop() {
			call, end := start()
			ending := time.AfterFunc(trial, end)
			took := make([]time.Duration, callers)
			var wg sync.WaitGroup
			for i := range callers {
				wg.Go(func() {
					began := time.Now()
					call(i)
					took[i] = time.Since(began)
				})
			}
			wg.Wait()
			if ending.Stop() {
				end()
			}
			all = append(all, took...)
		}
		slices.Sort(all)
		b.ReportMetric(all[len(all)/2].Seconds()*1000, "p50-ms")
		b.ReportMetric(all[len(all)-1].Seconds()*1000, "max-ms")
	}
	b.Run("by=raw", func(b *testing.B) {
		each(b, func() (func(int), func()) {
			u := benchUpstream(addr, allowed, 1)
			return func(i int) {
				a := ask(hungKey, fmt.Sprint(i))
				send(u, a)
				<-a.answers
			}, u.Close
		})
	})
	b.Run("by=rueidis", func(b *testing.B) {
		each(b, func() (func(int), func()) {
			client := newRueidis(b, addr, rueidis.ClientOption{
				RingScaleEachConn: 6, ConnWriteTimeout: time.Second,
				Dialer: net.Dialer{Timeout: time.Second, KeepAlive: time.Second},
			})
			return func(i int) {
				ctx, cancel := context.WithTimeout(context.Background(), allowed)
				defer cancel()
				client.Do(ctx, client.B().Arbitrary("HMGET", hungKey, fmt.Sprint(i)).Build())
			}, client.Close
		})
	})
}
