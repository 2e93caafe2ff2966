package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/fsproxy/fsproxy/config"
	"github.com/fsproxy/fsproxy/inject"
)

// injectFlags are the flags of inject that are no settings of the sidecar.
type injectFlags struct {
	serviceFlags
	render             string
	all, strict        bool
	namespace, service string
	secret, webhook    string
	options            []string
	linger             time.Duration
}

// injectorLinger is how long it takes at most, usually, until no API server is
// led to a Pod any more that is told to stop.
const injectorLinger = 5 * time.Second

func newInjectCommand() *cobra.Command {
	var f injectFlags
	cmd := &cobra.Command{
		Use:   "inject [--render FILE]",
		Short: "Put the sidecar into Pods: as a webhook of Kubernetes, or into files",
		Long: "inject is a mutating admission webhook: it adds fsproxy to the Pods that ask for it\n" +
			"by the label " + inject.InjectLabel + ": \"true\", their own or their namespace's, and points the\n" +
			"environment variables that hold the store's address at it.\n\n" +
			"With --render it does the same to a file of manifests, prints what comes out, and\n" +
			"serves nothing. A Pod that asked and cannot have the sidecar is then an error.\n\n" +
			"Flags of settings are the defaults of annotations of the same name\n" +
			"(--memory: " + inject.Prefix + "memory).",
		Example: "  fsproxy inject --render deployment.yaml | kubectl apply -f -\n" +
			"  fsproxy inject --image registry.example/fsproxy:v1 --option log.format=json",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := injectorConfig(cmd, f)
			if err != nil {
				return err
			}
			if f.render != "" {
				return renderFile(cmd, cfg, f)
			}
			log, err := f.logger(cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			return runInjector(cmd.Context(), log, cfg, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.render, "render", "", "YAML `file` of manifests to inject into, - for standard input; the result goes to standard output")
	flags.BoolVar(&f.all, "all", false, "with --render: as if every namespace had the label; Pods may still object")
	f.add(flags, ":9443", "of the webhook", ":9190")
	flags.BoolVar(&f.strict, "strict", false, "deny the Pods that asked for the sidecar and cannot have it, rather than let them start without")
	flags.StringVar(&f.certFile, "tls-cert-file", "", "PEM `file` of the webhook's certificate, read anew when it changes; empty: one is made and renewed")
	flags.StringVar(&f.keyFile, "tls-key-file", "", "PEM `file` of its key")
	flags.DurationVar(&f.linger, "linger", injectorLinger, "how long Pods are still taken after the signal to stop, for API servers that do not know of it yet")
	flags.StringVar(&f.namespace, "namespace", "", "`name` of the injector's namespace; empty: the Pod's own")
	flags.StringVar(&f.service, "service", "fsproxy-injector", "`name` of the Service that the made certificate is for")
	flags.StringVar(&f.secret, "secret-name", "fsproxy-injector-certificates", "`name` of the Secret that keeps the made certificate")
	flags.StringVar(&f.webhook, "webhook", "fsproxy-injector", "`name` of the MutatingWebhookConfiguration that is told whom to trust")
	flags.StringArrayVar(&f.options, "option", nil, "`key=value`: an option of every sidecar that says nothing else (cache.max_age=10m); may be repeated")
	for _, s := range inject.Flags() {
		flags.String(s.Name, s.Default, s.Meaning)
	}
	return cmd
}

func injectorConfig(cmd *cobra.Command, f injectFlags) (inject.Config, error) {
	cfg := inject.Config{Version: readBuild().Version, Settings: map[string]string{}, Options: map[string]string{}}
	for _, s := range inject.Flags() {
		value, err := cmd.Flags().GetString(s.Name)
		if err != nil {
			return cfg, err
		}
		cfg.Settings[s.Name] = value
	}
	for _, o := range f.options {
		key, value, found := strings.Cut(o, "=")
		if !found {
			return cfg, usageError{fmt.Errorf("--option %q: accepted: key=value", o)}
		}
		cfg.Options[key] = value
	}
	return cfg, nil
}

// renderFile prints the manifests with the sidecar. What is to be said about
// them goes to standard error.
func renderFile(cmd *cobra.Command, cfg inject.Config, f injectFlags) error {
	in, err := inject.New(cfg)
	if err != nil {
		return err
	}
	var stream []byte
	if f.render == "-" {
		stream, err = io.ReadAll(cmd.InOrStdin())
	} else {
		stream, err = os.ReadFile(f.render)
	}
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	asker := inject.ByPod
	if f.all {
		asker = inject.ByNamespace
	}
	notes, err := in.Render(cmd.OutOrStdout(), stream, asker)
	if err != nil {
		return fmt.Errorf("%s: %w", f.render, err)
	}
	var refused []error
	for _, n := range notes {
		if n.Refused {
			refused = append(refused, fmt.Errorf("%s: %s", n.Object, n.Text))
			continue
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "fsproxy: warning: %s: %s\n", n.Object, n.Text)
	}
	return errors.Join(refused...)
}

// runInjector serves the webhook until ctx ends.
func runInjector(ctx context.Context, log *slog.Logger, cfg inject.Config, f injectFlags) error {
	cfg.WithoutNative = isOldCluster(ctx, log)
	in, err := inject.New(cfg)
	if err != nil {
		return err
	}
	limitMemory()
	server, look, err := newWebhook(in, log, f)
	if err != nil {
		return err
	}
	reviews, admin, err := f.open()
	if err != nil {
		return err
	}
	log.Info("the injector is listening", "address", reviews.Addr().String(), "version", readBuild().Version)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { look(ctx) })
	return server.Serve(ctx, reviews, admin)
}

// isOldCluster tells whether the cluster that this runs in, if it does, has no
// native sidecars. Where that cannot be learned it is taken to have them.
func isOldCluster(ctx context.Context, log *slog.Logger) bool {
	api, err := inject.InCluster()
	if err != nil {
		return false
	}
	native, err := api.HasNativeSidecars(ctx)
	if err != nil {
		log.Warn("it is not known whether the cluster has native sidecars", "error", err)
		return false
	}
	if !native {
		log.Warn("the cluster is older than native sidecars: Pods get ordinary containers by --sidecar=container, or nothing")
	}
	return !native
}

// newWebhook is the webhook's server, and what looks after its certificate:
// files that somebody else renews are read when they are needed, so a keeper
// that makes it, or nobody.
func newWebhook(in *inject.Injector, log *slog.Logger, f injectFlags) (server *inject.Server, look func(context.Context), err error) {
	if err := f.checkPair(); err != nil {
		return nil, nil, usageError{err}
	}
	cfg := inject.ServerConfig{Strict: f.strict, Log: log, Linger: f.linger}
	if f.certFile != "" {
		cfg.Certificate, err = certificateOf(f, log)
		return inject.NewServer(in, cfg), func(context.Context) {}, err
	}
	keeper, err := newKeeper(log, f)
	if err != nil {
		return nil, nil, err
	}
	server = inject.NewServer(in, cfg)
	keeper.Use = server.SetCertificate
	return server, keeper.Run, nil
}

// certificateOf is what the files hold whenever it is asked.
func certificateOf(f injectFlags, log *slog.Logger) (func() *tls.Certificate, error) {
	files, err := config.ListenerTLS{CertFile: f.certFile, KeyFile: f.keyFile}.Server(log)
	if err != nil {
		return nil, fmt.Errorf("the webhook's TLS (--tls-cert-file, --tls-key-file): %w", err)
	}
	return func() *tls.Certificate {
		now, err := files.GetConfigForClient(nil)
		if err != nil {
			return nil
		}
		return &now.Certificates[0]
	}, nil
}

// newKeeper makes certificates for the Service in front of this process.
func newKeeper(log *slog.Logger, f injectFlags) (*inject.Keeper, error) {
	api, err := inject.InCluster()
	if err != nil {
		return nil, err
	}
	namespace := f.namespace
	if namespace == "" {
		if namespace, err = inject.Namespace(); err != nil {
			return nil, err
		}
	}
	service := f.service + "." + namespace + ".svc"
	return &inject.Keeper{
		API: api, Namespace: namespace, Secret: f.secret, Webhook: f.webhook, Service: f.service,
		Names: []string{service, service + ".cluster.local"}, Log: log,
	}, nil
}
