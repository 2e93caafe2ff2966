package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// inspectTimeout bounds one request to an admin port: a forced collection of a
// large heap takes its time.
const inspectTimeout = time.Minute

// httpGet reads a page of an admin port.
func httpGet(ctx context.Context, url string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s", url, response.Status)
	}
	return body, err
}

// metric reads one metric without labels from an admin port.
func metric(ctx context.Context, admin, name string) (float64, error) {
	body, err := httpGet(ctx, "http://"+admin+"/metrics")
	if err != nil {
		return 0, fmt.Errorf("reading the metrics of the proxy: %w", err)
	}
	return findMetric(body, name)
}

// findMetric finds a metric without labels in Prometheus' text format.
func findMetric(text []byte, name string) (float64, error) {
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			value, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("the proxy has no metric %s", name)
}

// collectGarbage has the proxy collect its garbage, and returns after it has.
func collectGarbage(ctx context.Context, admin string) error {
	if _, err := httpGet(ctx, "http://"+admin+"/debug/pprof/heap?gc=1"); err != nil {
		return fmt.Errorf("having the proxy collect its garbage: %w", err)
	}
	return nil
}

// liveHeap is what the proxy's heap holds, in bytes, once its garbage is gone. It
// takes two collections: what is pooled survives the first.
func liveHeap(ctx context.Context, admin string) (float64, error) {
	for range 2 {
		if err := collectGarbage(ctx, admin); err != nil {
			return 0, err
		}
	}
	return metric(ctx, admin, "go_memstats_heap_alloc_bytes")
}

// storeCommands is how many commands a store has processed.
func storeCommands(address string) (int64, error) {
	c, err := dial(context.Background(), address)
	if err != nil {
		return 0, err
	}
	defer c.close()
	c.out = append(c.out, "*2\r\n$4\r\nINFO\r\n$5\r\nstats\r\n"...)
	if err := c.flush(); err != nil {
		return 0, err
	}
	frame, err := c.reply()
	if err != nil {
		return 0, err
	}
	_, rest, found := bytes.Cut(frame, []byte("total_commands_processed:"))
	digits, _, _ := bytes.Cut(rest, []byte("\r\n"))
	count, err := strconv.ParseInt(string(digits), 10, 64)
	if !found || err != nil {
		return 0, fmt.Errorf("the store's INFO tells no total_commands_processed: %.80q", frame)
	}
	return count, nil
}

// collected is what a process's garbage collector has done so far.
type collected struct {
	count int
	cpu   time.Duration
}

// gcTrace finds the CPU times in a line that GODEBUG=gctrace=1 makes the runtime
// print: sweep termination, mark assists, dedicated and idle workers, mark
// termination.
var gcTrace = regexp.MustCompile(`^gc \d+ @.* ms clock, ([\d.]+)\+([\d.]+)/([\d.]+)/([\d.]+)\+([\d.]+) ms cpu`)

// collections adds up the collections in a process's log.
func collections(log string) (collected, error) {
	file, err := os.Open(log)
	if err != nil {
		return collected{}, fmt.Errorf("reading the collector's trace: %w", err)
	}
	defer file.Close()
	return sumCollections(file)
}

func sumCollections(trace io.Reader) (total collected, err error) {
	lines := bufio.NewScanner(trace)
	for lines.Scan() {
		match := gcTrace.FindSubmatch(lines.Bytes())
		if match == nil {
			continue
		}
		total.count++
		for _, part := range match[1:] {
			milliseconds, err := strconv.ParseFloat(string(part), 64)
			if err != nil {
				return total, fmt.Errorf("reading the collector's trace: %w", err)
			}
			total.cpu += time.Duration(milliseconds * float64(time.Millisecond))
		}
	}
	return total, lines.Err()
}
