package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fsproxy/fsproxy/cluster"
)

// anywhere keeps demos out of each other's way.
var anywhere = []string{"demo", "--listen=127.0.0.1:0", "--admin=127.0.0.1:0"}

func TestTheDemoHitsWithoutErrorsAndEndsByItself(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	code, stdout, stderr := command(t, append(anywhere, "--duration=1s", "--rate=3000")...)
	if code != exitDone || stderr != "" {
		t.Errorf("exit code %d, error %q", code, stderr)
	}
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	summary := lines[len(lines)-2]
	share := regexp.MustCompile(`^\d+\.\d s: [1-9][\d,]* HMGETs, [\d,]+ a second, (\d+\.\d)% from memory, no errors; [\d,]+ invalidations$`).FindStringSubmatch(summary)
	if share == nil || share[1] == "0.0" {
		t.Errorf("summary %q", summary)
	}
	// The latency of hits is sampled, perhaps not once in so short a time.
	if !regexp.MustCompile(`^hits: p50 (-|\d\S+s), p99 (-|\d\S+s); misses: p50 \d\S+s, p99 \d\S+s; [1-9][\d,]* rows in \S+ MiB$`).MatchString(lines[len(lines)-1]) {
		t.Errorf("second line of the summary %q", lines[len(lines)-1])
	}
}

// runningDemo starts a demo, waits until it has introduced itself, and returns
// what it said. end ends it as Ctrl-C does, and returns its exit code and the
// rest of what it says; a second call changes nothing.
func runningDemo(t *testing.T, args ...string) (said string, end func() (code int, rest string)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, args, in, in)
		in.Close()
	}()
	reader, text := bufio.NewReader(out), ""
	for !strings.Contains(text, "HMGET/s") {
		line, err := reader.ReadString('\n')
		if text += line; err != nil {
			cancel()
			t.Fatalf("the demo has ended: %d, %s", <-code, text)
		}
	}
	return text, sync.OnceValues(func() (int, string) {
		cancel()
		rest, _ := io.ReadAll(reader)
		return <-code, string(rest)
	})
}

func TestWhatTheDemoSuggestsWorks(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	said, end := runningDemo(t, append(anywhere, "--no-load")...)
	defer end()
	tries := regexp.MustCompile(`redis-cli -p (\d+) (.*)`).FindAllStringSubmatch(said, -1)
	if len(tries) != 4 {
		t.Errorf("%d suggestions in:\n%s", len(tries), said)
	}
	for _, try := range tries {
		reply := askOnce(t, "127.0.0.1:"+try[1], strings.Fields(try[2])...)
		if strings.HasPrefix(reply, "*0") || strings.Contains(reply, "$-1\r\n") || !strings.Contains(reply, "\r\n") {
			t.Errorf("%s: %q", try[2], reply)
		}
	}
	metrics := get(t, regexp.MustCompile(`http://\S+`).FindString(said)+"metrics")
	if !strings.Contains(metrics, `fsproxy_commands_total{command="hmget",outcome="miss"} 1`) {
		t.Errorf("the HMGET is not in the metrics: %s", metrics)
	}
	code, rest := end()
	if code != exitDone || !strings.Contains(rest, ": 1 HMGETs, ") {
		t.Errorf("exit code %d, %s", code, rest)
	}
}

func askOnce(t *testing.T, address string, args ...string) string {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	reply, err := cluster.Ask1(nc, args...)
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return string(reply)
}

func get(t *testing.T, url string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestTheDemoEndsUnderLoadWithOthersConnected(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	said, end := runningDemo(t, append(anywhere, "--rate=3000")...)
	defer end()
	proxy := regexp.MustCompile(`\n  proxy +(\S+)`).FindStringSubmatch(said)
	idle, err := net.Dial("tcp", proxy[1])
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if code, rest := end(); code != exitDone || !strings.Contains(rest, "no errors") {
		t.Errorf("exit code %d, %s", code, rest)
	}
}

func TestTheDemoShowsInvalidationsAndSurvivesADeadFetcher(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	typed, typing := io.Pipe()
	defer typing.Close()
	root := newRootCommand()
	root.SetIn(typed)
	root.SetArgs(append(anywhere, "--rate=3000", "--updates=500", "--uploads=300ms", "--duration=6s"))
	var out strings.Builder
	root.SetOut(&out)
	root.SetErr(&out)
	go func() { _, _ = io.WriteString(typing, "k\n") }()
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Error(err)
	}
	if !regexp.MustCompile(`no errors; [1-9][\d,]* invalidations\n`).MatchString(out.String()) || !strings.Contains(out.String(), " 3/4\n") {
		t.Errorf("said:\n%s", out.String())
	}
}

func TestTheDemoTakesTheNextFreePortUnlessToldWhich(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if l, err := listenFrom(taken.Addr().String(), true); err == nil {
		l.Close()
		t.Error("an address that is taken was opened")
	}
	l, err := listenFrom(taken.Addr().String(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	first, got := taken.Addr().(*net.TCPAddr).Port, l.Addr().(*net.TCPAddr).Port
	if got <= first || got >= first+demoPorts {
		t.Errorf("%d is taken, got %d", first, got)
	}
	code, _, stderr := command(t, "demo", "--listen="+taken.Addr().String(), "--admin=127.0.0.1:0")
	if code != exitFailed || !strings.Contains(stderr, taken.Addr().String()) || !strings.Contains(stderr, "--listen") {
		t.Errorf("exit code %d, error %q", code, stderr)
	}
}

func TestTheDemoRefusesFlagsThatMakeNoSense(t *testing.T) {
	for _, flag := range []string{"--duration=-1s", "--rate=-1", "--rate=NaN", "--max-age=1ms", "--seed=-1", "--max-age=x", "--updates=-1", "--uploads=-1s"} {
		name, _, _ := strings.Cut(flag, "=")
		if code, _, stderr := command(t, "demo", flag); code != exitUsage || !strings.Contains(stderr, name) {
			t.Errorf("%s: exit code %d, error %q", flag, code, stderr)
		}
	}
}

func TestADemoThatIsEndedBeforeItBeginsEndsQuietly(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	var out strings.Builder
	if code := run(ctx, anywhere, &out, &out); code != exitDone || out.String() != "" {
		t.Errorf("exit code %d, %q", code, out.String())
	}
}
