package bench

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.uber.org/goleak"
)

// TestMain lets the test binary be the program that a fleet starts. Started with
// anything that is neither that nor a test's flag it ends at once: were it to run
// the tests, each would start it again.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") {
		if len(os.Args) < 5 || os.Args[2] != "canned" {
			fmt.Fprintln(os.Stderr, "this is no server")
			os.Exit(1)
		}
		if err := RunCanned(context.Background(), os.Args[4], 5, 6); err != nil {
			panic(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// startCannedHere serves canned replies in this process.
func startCannedHere(t *testing.T, reply []byte) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serveCanned(ctx, listener, reply) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// connected is a session with connections to an address.
func connected(t *testing.T, address string, shape Shape) *session {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &session{name: "test", address: address, data: newDataset(shape, shape.once(1000), 1), strictest: checkValues}
	if err := s.connect(ctx, shape.Connections); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close(); cancel() })
	return s
}

func TestARunOnAStoreChecksItsAnswersAndLeavesNothingBehind(t *testing.T) {
	for name, shape := range testShapes() {
		t.Run(name, func(t *testing.T) {
			store := miniredis.RunT(t)
			_ = store.Set("st_1000000", "somebody else's")
			report, err := Run(t.Context(), Options{
				Scenarios: []string{Custom}, Change: func(s *Shape) { *s = shape }, Targets: []string{"mini=" + store.Addr()}, Load: true,
				Commands: 200, Rounds: 3, Rate: 500, OpenDuration: 40 * time.Millisecond, Executable: os.Args[0],
			})
			if err != nil {
				t.Fatal(err)
			}
			warm := report.find(Custom, "mini", Warm)
			if warm == nil || warm.Commands != 600 || warm.Errors != 0 || warm.ServerCPU != nil || warm.Throughput <= 0 || warm.Latency.P50 <= 0 {
				t.Errorf("measured %+v", warm)
			}
			if report.find(Custom, "mini", Cold) == nil || report.find(Custom, "mini", Open) == nil {
				t.Error("the cold pass or the open loop is not reported")
			}
			if keys := store.Keys(); len(keys) != 1 {
				t.Errorf("%d keys are left, such as %q", len(keys), keys[0])
			}
		})
	}
}

func TestAWrongReplyEndsTheLoad(t *testing.T) {
	shape := testShapes()["plain"]
	s := connected(t, startCannedHere(t, CannedReply(5, 6)), shape)
	if _, err := s.pass(0, shape.Entities).closed(shape.Pipeline); err == nil || !strings.Contains(err.Error(), "was loaded") {
		t.Errorf("other values than were loaded: %v", err)
	}
	s = connected(t, startCannedHere(t, CannedReply(5, 7)), shape)
	if _, err := s.random(100, checkLengths).closed(shape.Pipeline); err == nil || !strings.Contains(err.Error(), "bytes, not") {
		t.Errorf("longer values than were loaded: %v", err)
	}
	s = connected(t, startCannedHere(t, CannedReply(5, 7)), shape)
	if _, err := s.random(100, checkLengths).windowed(8); err == nil {
		t.Error("a window does not look at its replies")
	}
	s = connected(t, startCannedHere(t, []byte("nonsense\r\n")), shape)
	if _, err := s.random(100, checkFrames).closed(shape.Pipeline); err == nil {
		t.Error("what is no frame is taken for a reply")
	}
}

func TestErrorRepliesAreCountedAndDoNotEndTheLoad(t *testing.T) {
	shape := testShapes()["plain"]
	s := connected(t, startCannedHere(t, []byte("-ERR the store is away\r\n")), shape)
	got, err := s.random(100, checkValues).closed(shape.Pipeline)
	if err != nil || got.errors != 100 || got.firstError != "-ERR the store is away" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestEveryCommandIsAnsweredOnceInEachLoop(t *testing.T) {
	shape := testShapes()["plain"]
	s := connected(t, startCannedHere(t, CannedReply(5, 6)), shape)
	const commands = 1000
	for name, run := range map[string]func(*load) (*tally, error){
		"pipelines": func(l *load) (*tally, error) { return l.closed(7) },
		"window":    func(l *load) (*tally, error) { return l.windowed(13) },
	} {
		got, err := run(s.random(commands, checkLengths))
		if err != nil || got.commands != commands {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// TestAStallIsChargedToEveryOperationThatWaited is what tells an open loop from a
// closed one: while the server is silent operations go on arriving, and each
// one's latency counts from when it was due.
func TestAStallIsChargedToEveryOperationThatWaited(t *testing.T) {
	const arriving, silentAfter = 30 * time.Millisecond, 30 * time.Millisecond
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	silence := make(chan struct{})
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		<-silence
		answerCanned(context.Background(), conn, CannedReply(5, 6))
	}()
	shape := testShapes()["plain"]
	shape.Connections = 1
	s := connected(t, listener.Addr().String(), shape)
	timer := time.AfterFunc(arriving+silentAfter, func() { close(silence) })
	defer timer.Stop()
	got, err := s.endless(checkLengths).open(t.Context(), arrivals{rate: 2000, duration: arriving, pipeline: 2, seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	operations := got.latency.TotalCount()
	if operations < 10 || got.commands != 2*operations {
		t.Errorf("%d commands in %d operations", got.commands, operations)
	}
	if least := time.Duration(got.latency.Min()); least < silentAfter-time.Millisecond {
		t.Errorf("an operation that waited %v is charged %v", silentAfter, least)
	}
	s.close()
	<-served
}

func TestTheRelayDelaysRepliesAndKeepsThemWhole(t *testing.T) {
	shape := testShapes()["plain"]
	ctx, cancel := context.WithCancel(t.Context())
	const delay = 5 * time.Millisecond
	r, err := startRelay(ctx, startCannedHere(t, CannedReply(5, 6)), delay)
	if err != nil {
		t.Fatal(err)
	}
	s := connected(t, r.address(), shape)
	got, err := s.random(100, checkLengths).windowed(16)
	if err != nil || got.commands != 100 {
		t.Errorf("%+v, %v", got, err)
	}
	if least := time.Duration(got.latency.Min()); least < delay-delay/100 { // what a histogram rounds
		t.Errorf("a reply came after %v", least)
	}
	cancel()
	r.close()
}

func TestAFleetEndsWhatItStarted(t *testing.T) {
	f, err := newFleet(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.startCanned(t.Context(), testShapes()["plain"])
	if err != nil {
		f.close()
		t.Fatal(err)
	}
	s := connected(t, p.address, testShapes()["plain"])
	s.process = p
	r, err := s.measure(func() (*tally, error) { return s.random(2000, checkLengths).closed(4) })
	if err != nil || r.commands != 2000 {
		t.Errorf("%+v, %v", r, err)
	}
	if used, err := processCPU(p.cmd.Process.Pid); err == nil && used <= 0 {
		t.Error("a server that has answered has used no CPU")
	}
	s.close()
	if err := p.alive(); err != nil {
		t.Error(err)
	}
	f.close()
	if err := p.alive(); err == nil {
		t.Error("the server is said to be alive after it was ended")
	}
	if err := syscall.Kill(p.cmd.Process.Pid, 0); err == nil {
		t.Error("the server's process is there after it was ended")
	}
	if _, err := os.Stat(f.dir); !os.IsNotExist(err) {
		t.Errorf("its directory is there: %v", err)
	}
}

func TestAServerThatEndsWhileStartingIsQuoted(t *testing.T) {
	f, err := newFleet(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.start(t.Context(), "broken", address, nil, os.Args[0], "serve")
	if err == nil || !strings.Contains(err.Error(), "it ended") || !strings.Contains(err.Error(), "this is no server") {
		t.Errorf("the error is %v", err)
	}
}
