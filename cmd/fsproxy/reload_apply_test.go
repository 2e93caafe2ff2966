package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/fsproxy/fsproxy/config"
)

// running is a sidecar that runs, and what its configuration is read from: options
// in the environment, lists of sections in a file.
type running struct {
	*sidecar
	t       *testing.T
	folder  string
	mu      sync.Mutex // protects environ
	environ []string
}

// startRunning starts a sidecar. It is read anew only when the test says so.
func startRunning(t *testing.T, environ []string, file string) *running {
	t.Helper()
	r := &running{t: t, folder: t.TempDir()}
	r.write(environ, file)
	cfg, err := r.load()
	if err != nil {
		t.Fatal(err)
	}
	r.sidecar, err = newSidecar(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	r.level = new(slog.LevelVar)
	r.reload.from("", r.load) // the file is not watched
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-r.upstream.Looked()
	return r
}

func (r *running) load() (*config.Config, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return config.Load(config.Sources{File: filepath.Join(r.folder, "fsproxy.yaml"), Environ: r.environ})
}

func (r *running) write(environ []string, file string) {
	r.t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.environ = environ
	if err := os.WriteFile(filepath.Join(r.folder, "fsproxy.yaml"), []byte(file), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// secretFile writes a file and returns its path.
func secretFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// issued is a self-signed certificate of 127.0.0.1 that is its own authority.
type issued struct{ cert, key string }

func issue(t *testing.T, serial int64) issued {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return issued{
		cert: secretFile(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		key:  secretFile(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))),
	}
}

// shown is the serial of the certificate that a configuration of ours has connections
// show.
func shown(c *tls.Config) string {
	certificate, err := c.GetClientCertificate(&tls.CertificateRequestInfo{SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, Version: tls.VersionTLS13})
	if err != nil {
		return err.Error()
	}
	return certificate.Leaf.SerialNumber.String()
}

// turned is an option that is taken over at run time: what is given before and after,
// and how what has come of it is seen in the running thing.
type turned struct {
	before, after string
	look          func(r *running) string
}

func show[T any](get func(r *running) T) func(r *running) string {
	return func(r *running) string { return fmt.Sprint(get(r)) }
}

// changes has every option that says it is Reloadable, but for those of sections.
func changes(t *testing.T, a, b issued) map[string]turned {
	passwords := func(name string) (string, string) {
		return secretFile(t, name, "password-a-0123456789"), secretFile(t, name, "password-b-0123456789")
	}
	tokenA, tokenB := passwords("token")
	authA, authB := passwords("auth")
	storeA, storeB := passwords("store")
	shadowA, shadowB := passwords("shadow")
	saslA, saslB := passwords("sasl")
	logA, logB := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	all := map[string]turned{
		"mode":                            {"live", "dry-run", show(func(r *running) any { return r.rollout.Mode() })},
		"auth.password_file":              {authA, authB, show(func(r *running) any { return r.proxy.Config().Auth.Password })},
		"auth.cache_ttl":                  {"1m0s", "2m0s", show(func(r *running) any { return r.proxy.Config().Auth.CacheTTL })},
		"upstream.password_file":          {storeA, storeB, show(func(r *running) any { return r.upstream.Config().Password })},
		"upstream.connect_timeout":        {"1s", "2s", show(func(r *running) any { return r.upstream.Config().ConnectTimeout })},
		"upstream.fetch_timeout":          {"1s", "2s", show(func(r *running) any { return r.upstream.Config().FetchTimeout })},
		"upstream.max_in_flight":          {"11", "12", show(func(r *running) any { return r.upstream.Config().MaxInFlight })},
		"upstream.hedge_budget":           {"11", "12", show(func(r *running) any { return r.upstream.Config().HedgeBudget })},
		"upstream.slow_start":             {"1s", "2s", show(func(r *running) any { return r.upstream.Config().SlowStart })},
		"upstream.refresh_interval":       {"11s", "12s", show(func(r *running) any { return r.upstream.Config().RefreshInterval })},
		"upstream.topology_patience":      {"11s", "12s", show(func(r *running) any { return r.upstream.Config().TopologyPatience })},
		"upstream.tunnel_idle_timeout":    {"11s", "12s", show(func(r *running) any { return r.proxy.Config().TunnelIdle })},
		"upstream.stale_if_error":         {"11s", "12s", show(func(r *running) any { return r.cache.Config().StaleIfError })},
		"cache.max_bytes":                 {"67108864", "33554432", show(func(r *running) any { return r.cache.Stats().MaxBytes })},
		"cache.max_age":                   {"2h0m0s", "1h0m0s", show(func(r *running) any { return r.cache.Config().Policy("f").MaxAge })},
		"cache.negative_max_age":          {"2m0s", "1m0s", show(func(r *running) any { return r.cache.Config().Policy("f").NegativeMaxAge })},
		"cache.max_row_bytes":             {"65536", "32768", show(func(r *running) any { return r.cache.Config().MaxRowBytes })},
		"cache.max_features":              {"111", "112", show(func(r *running) any { return r.cache.Config().MaxFeatures })},
		"cache.max_projections":           {"111", "112", show(func(r *running) any { return r.cache.Config().MaxProjections })},
		"cache.max_layouts":               {"111", "112", show(func(r *running) any { return r.cache.Config().MaxLayouts })},
		"cache.write_settle":              {"1s", "2s", show(func(r *running) any { return r.proxy.Config().WriteSettle })},
		"cache.never_cache":               {"a*", "b*", show(func(r *running) any { return r.cache.Config().NeverCache[0] })},
		"rollout.patience":                {"1s", "2s", show(func(r *running) any { return r.rollout.Options().Patience })},
		"rollout.differences":             {"11", "12", show(func(r *running) any { return r.rollout.Options().Differences })},
		"rollout.log":                     {logA, logB, show(func(r *running) any { return r.rollout.Options().Log })},
		"rollout.log_values":              {"false", "true", show(func(r *running) any { return r.rollout.Options().LogValues })},
		"rollout.shadow.password_file":    {shadowA, shadowB, show(func(r *running) any { return r.shadow.Config().Password })},
		"rollout.shadow.percent":          {"1", "2", show(func(r *running) any { p, _ := r.rollout.ShadowPercent(); return p })},
		"rollout.shadow.settle":           {"1s", "2s", show(func(r *running) any { return r.rollout.Options().Shadow.Settle })},
		"limits.max_clients":              {"111", "112", show(func(r *running) any { return r.proxy.Config().MaxClients })},
		"limits.max_arguments":            {"111", "112", show(func(r *running) any { return r.proxy.Config().Limits.Arguments })},
		"limits.max_bulk_bytes":           {"1111", "1112", show(func(r *running) any { return r.proxy.Config().Limits.BulkBytes })},
		"limits.max_inline_bytes":         {"1111", "1112", show(func(r *running) any { return r.proxy.Config().Limits.InlineBytes })},
		"limits.max_request_bytes":        {"11111", "11112", show(func(r *running) any { return r.proxy.Config().Limits.RequestBytes })},
		"limits.max_output_bytes":         {"11111", "11112", show(func(r *running) any { return r.proxy.Config().MaxOutputBytes })},
		"limits.max_in_flight":            {"111", "112", show(func(r *running) any { return r.proxy.Config().MaxInFlight })},
		"admin.token_file":                {tokenA, tokenB, show(func(r *running) any { token, _ := r.reload.config().Admin.Token(); return token })},
		"admin.hosts":                     {"a", "b", show(func(r *running) any { return r.reload.config().Admin.Hosts[0] })},
		"metrics.features":                {"11", "12", show(func(r *running) any { return r.reload.config().Metrics.Features })},
		"log.level":                       {"INFO", "WARN", show(func(r *running) any { return r.level.Level() })},
		"drain_timeout":                   {"1s", "2s", show(func(r *running) any { return r.proxy.Config().ServeOn })},
		"invalidation.tracking.settle":    {"1s", "2s", tracked("Settle")},
		"invalidation.tracking.on_loss":   {"serve", "bypass", tracked("OnLoss")},
		"invalidation.kafka.settle":       {"1s", "2s", topic("Settle")},
		"invalidation.tracking.serve_for": {"1s", "0s", tracked("ServeFor")},

		"invalidation.tracking.max_silence":     {"11s", "12s", tracked("MaxLag")},
		"invalidation.stale_while_revalidate":   {"1s", "2s", show(func(r *running) any { return r.cache.Config().StaleWhileRevalidate })},
		"invalidation.kafka.check_interval":     {"1s", "2s", show(func(r *running) any { return r.kafka.Config().CheckInterval })},
		"invalidation.kafka.refresh_interval":   {"1s", "2s", show(func(r *running) any { return r.kafka.Config().RefreshInterval })},
		"invalidation.kafka.sasl.mechanism":     {"plain", "scram-sha-256", show(func(r *running) any { return r.kafka.Config().SASL.Mechanism })},
		"invalidation.kafka.sasl.username":      {"a", "b", show(func(r *running) any { return r.kafka.Config().SASL.Username })},
		"invalidation.kafka.sasl.password_file": {saslA, saslB, show(func(r *running) any { return r.kafka.Config().SASL.Password })},
	}
	for section, get := range map[string]func(r *running) *tls.Config{
		"upstream.tls.":           func(r *running) *tls.Config { return r.upstream.Config().TLS },
		"rollout.shadow.tls.":     func(r *running) *tls.Config { return r.shadow.Config().TLS },
		"invalidation.kafka.tls.": func(r *running) *tls.Config { return r.kafka.Config().TLS },
	} {
		all[section+"cert_file"] = turned{a.cert, b.cert, show(func(r *running) any { return shown(get(r)) })}
		all[section+"key_file"] = turned{a.key, b.key, all[section+"cert_file"].look}
		all[section+"ca_file"] = turned{a.cert, b.cert, show(func(r *running) any { return get(r).RootCAs })}
		all[section+"server_name"] = turned{"a", "b", show(func(r *running) any { return get(r).ServerName })}
	}
	return all
}

// tracked and topic look at a source's status.
func tracked(field string) func(r *running) string { return status("tracking", field) }
func topic(field string) func(r *running) string   { return status("kafka", field) }

func status(kind, field string) func(r *running) string {
	return func(r *running) string {
		for _, s := range r.sources.Statuses() {
			if s.Kind == kind {
				return map[string]string{
					"Settle": fmt.Sprint(s.Settle), "MaxLag": fmt.Sprint(s.MaxLag), "OnLoss": fmt.Sprint(s.OnLoss),
					"ServeFor": fmt.Sprint(s.ServeFor), "Interval": fmt.Sprint(s.Interval),
				}[field]
			}
		}
		return "no such source"
	}
}

// sections are the options of lists of sections, and how they are seen.
var sections = map[string]func(r *running) string{
	"rollout.rules": show(func(r *running) any { return r.rollout.Rules().List()[0].Name }),

	"invalidation.markers[0].interval":    status("markers", "Interval"),
	"invalidation.markers[0].settle":      status("markers", "Settle"),
	"invalidation.markers[0].max_silence": status("markers", "MaxLag"),
	"invalidation.markers[0].on_loss":     status("markers", "OnLoss"),
	"invalidation.markers[0].serve_for":   status("markers", "ServeFor"),

	"invalidation.kafka.topics[0].max_lag":   topic("MaxLag"),
	"invalidation.kafka.topics[0].on_loss":   topic("OnLoss"),
	"invalidation.kafka.topics[0].serve_for": topic("ServeFor"),

	"listeners[0].tls.cert_file":      show(func(r *running) any { return r.doors[0].encryption.Load().Certificates[0].Leaf.SerialNumber }),
	"listeners[0].tls.key_file":       show(func(r *running) any { return r.doors[0].encryption.Load().Certificates[0].Leaf.SerialNumber }),
	"listeners[0].tls.client_ca_file": show(func(r *running) any { return r.doors[0].encryption.Load().ClientCAs }),
}

const sectionsText = `
listeners: [{address: "127.0.0.1:0", tls: {cert_file: CERT, key_file: KEY, client_ca_file: CERT}}]
invalidation:
  markers: [{key: m, interval: INTERVAL, settle: INTERVAL, max_silence: 2INTERVAL, on_loss: LOSS, serve_for: FOR}]
  kafka: {brokers: ["127.0.0.1:1"], topics: [{name: t, max_lag: 2INTERVAL, on_loss: LOSS, serve_for: FOR}]}
rollout: {rules: [{name: RULE}], shadow: {addresses: ["127.0.0.1:1"]}}
`

// Every option that says it is Reloadable is changed in a process that runs, and what
// does the work has the new value.
func TestEveryReloadableOptionTakesEffectInARunningProcess(t *testing.T) {
	store := miniredis.RunT(t)
	a, b := issue(t, 1), issue(t, 2)
	all := changes(t, a, b)
	// What is written as the running thing has it, but for names of files and levels.
	fixed := []string{
		"FSPROXY_UPSTREAM_ADDRESSES=" + store.Addr(), "FSPROXY_ADMIN_ADDRESS=127.0.0.1:0", "FSPROXY_AUTH_MODE=password",
		"FSPROXY_INVALIDATION_TRACKING_ENABLED=true", "FSPROXY_UPSTREAM_TLS_ENABLED=true",
		"FSPROXY_ROLLOUT_SHADOW_TLS_ENABLED=true", "FSPROXY_INVALIDATION_KAFKA_TLS_ENABLED=true",
		"FSPROXY_CACHE_SHARDS=2", "FSPROXY_UPSTREAM_DISCOVERY=standalone", "FSPROXY_ROLLOUT_SHADOW_DISCOVERY=standalone",
	}
	before, after := slices.Clone(fixed), slices.Clone(fixed)
	for _, o := range config.Options() {
		c, listed := all[o.Key]
		_, section := sections[o.Key]
		switch {
		case o.Reloadable && !listed && !section && !strings.HasSuffix(o.Key, ".tls.enabled"):
			t.Errorf("%s says that it reloads, and nothing here tries it", o.Key)
		case !o.Reloadable && listed:
			t.Errorf("%s does not say that it reloads", o.Key)
		case listed:
			before, after = append(before, o.Variable()+"="+strings.ToLower(c.before)), append(after, o.Variable()+"="+strings.ToLower(c.after))
			if strings.HasSuffix(o.Key, "_file") || o.Key == "rollout.log" { // as it is
				before[len(before)-1], after[len(after)-1] = o.Variable()+"="+c.before, o.Variable()+"="+c.after
			}
		}
		for _, e := range o.Elements {
			if _, listed := sections[o.Key+"[0]."+e.Key]; e.Reloadable != listed {
				t.Errorf("%s[].%s says that it reloads: %v, and is tried here: %v", o.Key, e.Key, e.Reloadable, listed)
			}
		}
	}
	text := func(i issued, interval, loss, serveFor, rule string) string {
		return strings.NewReplacer("CERT", i.cert, "KEY", i.key, "2INTERVAL", "2"+interval, "INTERVAL", interval, "LOSS", loss, "FOR", serveFor, "RULE", rule).Replace(sectionsText)
	}
	r := startRunning(t, before, text(a, "11s", "serve", "11s", "first"))
	seen := make(map[string]string)
	for key, c := range all {
		if seen[key] = c.look(r); !strings.HasSuffix(key, "_file") && seen[key] != c.before {
			t.Errorf("%s is %s at first, want %s", key, seen[key], c.before)
		}
	}
	for key, look := range sections {
		seen[key] = look(r)
	}
	r.write(after, text(b, "12s", "bypass", "0s", "second"))
	got := r.reload.reload()
	if !got.OK || len(got.Restart) > 0 || len(got.Changed) != len(all)+len(sections) {
		t.Fatalf("%+v, want %d options", got, len(all)+len(sections))
	}
	for _, key := range got.Changed {
		look := sections[key]
		if look == nil {
			look = all[key].look
		}
		now := look(r)
		if now == seen[key] || !strings.HasSuffix(key, "_file") && sections[key] == nil && now != all[key].after {
			t.Errorf("%s was %s, and is %s", key, seen[key], now)
		}
	}
	plain := slices.DeleteFunc(slices.Clone(after), func(v string) bool { return strings.Contains(v, "_TLS_") })
	r.write(plain, strings.Replace(text(b, "12s", "bypass", "0s", "second"), fmt.Sprintf(", tls: {cert_file: %s, key_file: %s, client_ca_file: %s}", b.cert, b.key, b.cert), "", 1))
	if got := r.reload.reload(); !got.OK || len(got.Restart) > 0 {
		t.Fatalf("without TLS: %+v", got)
	}
	if r.upstream.Config().TLS != nil || r.shadow.Config().TLS != nil || r.kafka.Config().TLS != nil || r.doors[0].encryption.Load() != nil {
		t.Error("something is encrypted still")
	}
}
