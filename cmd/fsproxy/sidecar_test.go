package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/spf13/pflag"

	"github.com/fsproxy/fsproxy/config"
)

// The store is looked for before clients are served, so that one that connects
// at once gets no error in front of a store that is there.
func TestFirstRequestMeetsTheStore(t *testing.T) {
	store := miniredis.RunT(t)
	store.HSet("e", "f", "v")
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	config.AddFlags(flags)
	if err := flags.Parse([]string{"--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--upstream=" + store.Addr()}); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Sources{Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		s, err := newSidecar(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		nc, err := net.Dial("tcp", s.listeners[0].Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprint(nc, "HGET e f\r\n"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.run(ctx) }()
		reply, err := bufio.NewReader(nc).ReadString('\n')
		if err != nil || reply != "$1\r\n" {
			t.Errorf("the first reply is %q, %v", reply, err)
		}
		_ = nc.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
