//go:build unix

// Command decoded measures what a prediction's reads cost its client: 100 entities
// × 10 features in one pipeline, of which one is an embedding of 128 floats and
// one a list of 50 ints, read and decoded: straight from the store, through
// fsproxy as stored, as stored with uncompressed blocks, and decoded. Run it with
// `make bench-decoded`; docs/BENCHMARKS.md has what it said.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	entities   = 1000
	prediction = 100 // entities
	rounds     = 5   // of which the best counts: the machine does other things too
)

// catalogue is that of the features; hold is how lists are held.
const catalogue = `scheme: name
defaults: {type: float}
features:
%s- {name: embedding, type: embedding, dimension: 128}
- {name: stores, type: int_list, hold: %s}
`

// route is a way to the values.
type route struct {
	name, address string
	decoded       bool
}

func main() {
	fsproxy := flag.String("fsproxy", "bin/fsproxy", "the binary to measure")
	python := flag.String("python", "", "an interpreter that has what requirements.txt lists; empty: no Python")
	predictions := flag.Int("predictions", 200, "predictions in a round")
	flag.Parse()
	if err := run(*fsproxy, *python, *predictions); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(fsproxy, python string, predictions int) error {
	folder, err := os.MkdirTemp("", "bench-decoded")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	store := freeAddress()
	_, port, _ := strings.Cut(store, ":")
	if err := start(ctx, store, "redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", folder, "--loglevel", "warning"); err != nil {
		return err
	}
	if err := load(ctx, store); err != nil {
		return err
	}
	routes := []route{{name: "direct", address: store}}
	for _, hold := range []string{"as_stored", "uncompressed"} {
		stored, decoded := freeAddress(), freeAddress()
		config, err := configuration(folder, hold, store, stored, decoded)
		if err != nil {
			return err
		}
		if err := start(ctx, stored, fsproxy, "serve", "--config", config); err != nil {
			return err
		}
		if hold == "uncompressed" {
			routes = append(routes, route{name: "fsproxy, stored, lists held uncompressed", address: stored})
			continue
		}
		routes = append(routes, route{name: "fsproxy, stored", address: stored}, route{"fsproxy, decoded", decoded, true})
	}
	fmt.Println("| client | route | CPU of the client per prediction | time per prediction |\n| --- | --- | --- | --- |")
	for _, r := range routes {
		report("Go", r, func() (cost, error) { return measure(ctx, r, predictions) })
	}
	for _, r := range routes {
		if python != "" {
			report("Python", r, func() (cost, error) { return measurePython(ctx, python, r, predictions/4) })
		}
	}
	return nil
}

// cost is that of one prediction, in seconds.
type cost struct {
	CPU   float64 `json:"cpu"`
	Clock float64 `json:"clock"`
}

// report prints the least cost of some rounds.
func report(client string, r route, measure func() (cost, error)) {
	var best cost
	for i := range rounds {
		c, err := measure()
		if err != nil {
			fmt.Printf("| %s | %s | %v | |\n", client, r.name, err)
			return
		}
		if i == 0 || c.CPU < best.CPU {
			best.CPU = c.CPU
		}
		if i == 0 || c.Clock < best.Clock {
			best.Clock = c.Clock
		}
	}
	fmt.Printf("| %s | %s | %.2f ms | %.2f ms |\n", client, r.name, 1000*best.CPU, 1000*best.Clock)
}

func configuration(folder, hold, store, stored, decoded string) (string, error) {
	var numbers strings.Builder
	for _, name := range names[:8] {
		fmt.Fprintf(&numbers, "- {name: %s}\n", name)
	}
	features := filepath.Join(folder, hold+".features.yaml")
	text := fmt.Sprintf("listeners: [{address: %q}, {address: %q, values: decoded}]\nadmin: {address: \"\"}\nupstream: {addresses: [%q]}\nfeatures_file: %s\n",
		stored, decoded, store, features)
	config := filepath.Join(folder, hold+".yaml")
	return config, errors.Join(
		os.WriteFile(features, fmt.Appendf(nil, catalogue, numbers.String(), hold), 0o600),
		os.WriteFile(config, []byte(text), 0o600))
}

// freeAddress is one that nothing listens on.
func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a server until ctx ends, and waits until it answers.
func start(ctx context.Context, address, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Addr: address, Protocol: 2})
	defer client.Close()
	var err error
	for range 100 {
		if err = client.Ping(ctx).Err(); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s does not answer: %w", program, err)
}

func measurePython(ctx context.Context, python string, r route, predictions int) (c cost, err error) {
	form := "stored"
	if r.decoded {
		form = "decoded"
	}
	cmd := exec.CommandContext(ctx, python, "bench/decoded/client.py", form, r.address, fmt.Sprint(entities), fmt.Sprint(predictions))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(out, &c)
}
