package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fsproxy/fsproxy/admin/client"
	"github.com/fsproxy/fsproxy/config"
)

const (
	// readyTimeout bounds the question whether fsproxy is ready. It is under
	// the three seconds after which the image's health check is given up, so
	// that the reason is printed.
	readyTimeout = 2 * time.Second

	// maxReadyBytes is how much of a refusal is repeated, in bytes: a line or
	// two say why, and the answer may come from something else on that port.
	maxReadyBytes = 512

	// readyOwn is --ready without an address.
	readyOwn = "admin.address"
)

func newCheckCommand() *cobra.Command {
	var (
		ready string
		wait  time.Duration
	)
	cmd := &cobra.Command{
		Use:   "check [--config FILE] [--ready [ADDRESS]]",
		Short: "Validate a configuration and print what is in effect, or ask whether fsproxy is ready",
		Example: "  fsproxy check --config fsproxy.yaml\n" +
			"  fsproxy check --ready\n" +
			"  fsproxy check --ready=127.0.0.1:9190",
		Args: func(cmd *cobra.Command, args []string) error {
			// A flag with an optional value leaves "--ready ADDRESS" as an argument.
			if len(args) == 1 && ready == readyOwn {
				ready = args[0]
				return nil
			}
			return noArguments(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("ready") {
				return awaitReady(cmd.Context(), wait, func(ctx context.Context) error {
					return checkReady(ctx, cmd.OutOrStdout(), ready, cfg)
				})
			}
			return printEffective(cmd, cfg)
		},
	}
	cmd.Flags().StringVar(&ready, "ready", "", "Ask /readyz of a running fsproxy, at this `address` or URL, and exit with 0 or 1")
	cmd.Flags().Lookup("ready").NoOptDefVal = readyOwn
	cmd.Flags().DurationVar(&wait, "wait", 0, "with --ready: ask again for as `long` as that before giving up, as a postStart hook does")
	addConfigFlags(cmd)
	return cmd
}

func printEffective(cmd *cobra.Command, cfg *config.Config) error {
	for _, warning := range cfg.Warnings() {
		fmt.Fprintln(cmd.ErrOrStderr(), "fsproxy: warning: "+warning)
	}
	_, err := cmd.OutOrStdout().Write(config.Effective(cfg))
	return err
}

// readyInterval is how soon the question is asked again: a process that starts
// is ready within a tenth of a second.
const readyInterval = 50 * time.Millisecond

// awaitReady asks until the answer is yes, or the patience is at its end.
func awaitReady(ctx context.Context, patience time.Duration, ask func(context.Context) error) error {
	end := time.Now().Add(patience)
	for {
		err := ask(ctx)
		if err == nil || errors.As(err, new(usageError)) || !time.Now().Add(readyInterval).Before(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(readyInterval):
		}
	}
}

// checkReady asks once. It goes past any HTTP proxy of the environment, which
// could not reach another Pod's loopback.
func checkReady(ctx context.Context, out io.Writer, ready string, cfg *config.Config) error {
	url, err := readyURL(ready, cfg.Admin.Address)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return usageError{fmt.Errorf("--ready %s is no address or URL: %w", ready, err)}
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("not ready: %w; is fsproxy running, and is this its admin address?", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(io.LimitReader(response.Body, maxReadyBytes))
		return fmt.Errorf("not ready: %s says %s: %s", url, response.Status, strings.TrimSpace(string(reason)))
	}
	_, err = fmt.Fprintln(out, "ready")
	return err
}

// readyURL makes the URL to ask from an address, a URL, or admin.address.
func readyURL(ready, admin string) (string, error) {
	if strings.HasPrefix(ready, "http://") || strings.HasPrefix(ready, "https://") {
		return ready, nil
	}
	address := ready
	if ready == readyOwn {
		address = admin
	}
	if address == "" {
		return "", errors.New("admin.address is empty, so there is nothing to ask; set it, or give --ready=ADDRESS")
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", usageError{fmt.Errorf("--ready %s is no address or URL: %w", ready, err)}
	}
	if port == "0" {
		return "", errors.New("admin.address has port 0, so its port is known only to the process; give --ready=ADDRESS")
	}
	return "http://" + net.JoinHostPort(client.Dialable(host), port) + "/readyz", nil
}
