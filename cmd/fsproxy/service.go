package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"

	"github.com/spf13/pflag"

	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/sampling"
)

// serviceFlags are the flags that the services beside the sidecar have in
// common.
type serviceFlags struct {
	listen, admin, level string
	certFile, keyFile    string
}

// add adds the flags but those of TLS, with the addresses' defaults.
func (f *serviceFlags) add(flags *pflag.FlagSet, listen, whose, admin string) {
	flags.StringVar(&f.listen, "listen", listen, "`address` "+whose+", host:port")
	flags.StringVar(&f.admin, "admin", admin, "`address` of /metrics, /healthz and /readyz, host:port; empty: none")
	flags.StringVar(&f.level, "log-level", "info", "least `level` that is logged: debug, info, warn, error")
}

// checkPair wants a certificate and its key.
func (f *serviceFlags) checkPair() error {
	if (f.certFile == "") != (f.keyFile == "") {
		return errors.New("--tls-cert-file and --tls-key-file are given together, or neither")
	}
	return nil
}

// logger logs to out as the flags say.
func (f *serviceFlags) logger(out io.Writer) (*slog.Logger, error) {
	if levels := []string{"debug", "info", "warn", "error"}; !slices.Contains(levels, f.level) {
		return nil, usageError{fmt.Errorf("--log-level %q: use one of %v", f.level, levels)}
	}
	return slog.New(sampling.New(config.Log{Level: f.level}.Handler(out, new(slog.LevelVar)))), nil
}

// open opens both addresses, so that whoever starts the service knows at once
// whether they can be had; a nil admin is switched off.
func (f *serviceFlags) open() (service, admin net.Listener, err error) {
	if service, err = net.Listen("tcp", f.listen); err != nil {
		return nil, nil, fmt.Errorf("listen on %s (choose a free address with --listen): %w", f.listen, err)
	}
	if f.admin == "" {
		return service, nil, nil
	}
	if admin, err = net.Listen("tcp", f.admin); err != nil {
		_ = service.Close()
		return nil, nil, fmt.Errorf("listen on %s (choose a free address with --admin): %w", f.admin, err)
	}
	return service, admin, nil
}
