package config

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// Listener is an address that clients connect to.
type Listener struct {
	Address string      `mapstructure:"address"` // host:port, or unix:///absolute/path
	TLS     ListenerTLS `mapstructure:"tls"`

	Values   Values `mapstructure:"values"`
	Lists    Lists  `mapstructure:"lists"`    // where Values is decoded
	Doubles  bool   `mapstructure:"doubles"`  // likewise
	Defaults bool   `mapstructure:"defaults"` // likewise
}

// Values is the form in which clients get what HMGET and HGET read.
type Values string

// The forms.
const (
	ValuesStored  Values = "stored"
	ValuesDecoded Values = "decoded"
)

// Lists is the form of decoded lists of ints and of strings.
type Lists string

// The forms.
const (
	ListsPacked Lists = "packed" // one string of bytes
	ListsArray  Lists = "array"
)

// Decodes tells whether some listener decodes.
func (c *Config) Decodes() bool {
	return slices.ContainsFunc(c.Listeners, func(l Listener) bool { return l.Values == ValuesDecoded })
}

// ListenerTLS is how connections of clients are encrypted: not at all without a
// certificate.
type ListenerTLS struct {
	CertFile     string `mapstructure:"cert_file"`
	KeyFile      string `mapstructure:"key_file"`
	ClientCAFile string `mapstructure:"client_ca_file"`
}

// isLocal tells whether only this machine can connect.
func (l Listener) isLocal() bool {
	network, address := l.Endpoint()
	if network == "unix" {
		return true
	}
	host, _, err := splitHostPort(address)
	return err == nil && isLoopback(host)
}

// listenerElements are the options of each listener.
func listenerElements() []Option {
	return []Option{
		{
			Key: "address", Form: checked("address", acceptedListen, checkListen),
			Meaning: "Where clients connect to",
		},
		{
			Key: "tls.cert_file", Reloadable: true, Form: words("file", acceptedFile),
			Meaning: "PEM certificate to show to clients; needs tls.key_file. Empty: no TLS at this listener",
		},
		{
			Key: "tls.key_file", Reloadable: true, Form: words("file", acceptedFile),
			Meaning: "PEM key of tls.cert_file",
		},
		{
			Key: "tls.client_ca_file", Reloadable: true, Form: words("file", acceptedFile),
			Meaning: "PEM certificates that a client's must lead to; empty: clients need none",
		},
		{
			Key: "values", Default: string(ValuesStored), Form: choice(ValuesStored, ValuesDecoded),
			Meaning: "What HMGET and HGET answer: stored, the store's bytes; decoded, what they mean by the catalogue in features_file",
		},
		{
			Key: "lists", Default: string(ListsPacked), Form: choice(ListsPacked, ListsArray),
			Meaning: "How decoded lists of ints and of strings are answered: packed into one string, or as an array",
		},
		{
			Key: "doubles", Default: "false", Form: boolean(),
			Meaning: "Whether clients that speak protocol version 3 get decoded floats as doubles; others get text",
		},
		{
			Key: "defaults", Default: "false", Form: boolean(),
			Meaning: "Whether a value that the store lacks is answered with the catalogue's default, where it has one, instead of nil",
		},
	}
}

// checkListenerValues wants what has a meaning for decoded values only not to be
// asked of others, and a catalogue to decode by.
func (l *loader) checkListenerValues() {
	for i, listener := range l.config.Listeners {
		key := func(option string) string { return fmt.Sprintf("listeners[%d].%s", i, option) }
		if listener.Values == ValuesDecoded {
			if l.config.FeaturesFile == "" {
				l.add(key("values"), "nothing says how values are decoded; accepted: features_file beside it, or stored")
			}
			continue
		}
		const reason = "has no effect on stored values; accepted: values: decoded beside it, or the default"
		if listener.Lists == ListsArray {
			l.add(key("lists"), reason)
		}
		if listener.Doubles {
			l.add(key("doubles"), reason)
		}
		if listener.Defaults {
			l.add(key("defaults"), reason)
		}
	}
}

// Server is the configuration of clients' connections, or nil where there is no
// TLS. What the files hold counts for those who connect from then on.
func (t ListenerTLS) Server(log *slog.Logger) (*tls.Config, error) {
	if t.CertFile == "" {
		return nil, nil
	}
	r, err := newRenewal(log, t.read)
	if err != nil {
		return nil, err
	}
	return r.server(), nil
}

// read is Server for what the files hold now.
func (t ListenerTLS) read() (*tls.Config, error) {
	certificates, err := TLS{CertFile: t.CertFile, KeyFile: t.KeyFile}.certificates()
	if err != nil {
		return nil, fmt.Errorf("tls.cert_file: %w", err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: certificates}
	if config.ClientCAs, err = (TLS{CAFile: t.ClientCAFile}).roots(); err != nil {
		return nil, fmt.Errorf("tls.client_ca_file: %w", err)
	}
	if config.ClientCAs != nil {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config, nil
}

// fault is what is wrong with the options together, and which one to name.
func (t ListenerTLS) fault() (option string, reason error) {
	switch {
	case t.CertFile != "" && t.KeyFile == "":
		return "cert_file", errors.New("a certificate without its key; accepted: tls.key_file beside it, or neither")
	case t.KeyFile != "" && t.CertFile == "":
		return "key_file", errors.New("a key without its certificate; accepted: tls.cert_file beside it, or neither")
	case t.ClientCAFile != "" && t.CertFile == "":
		return "client_ca_file", errors.New("has no effect without TLS; accepted: tls.cert_file and tls.key_file beside it, or empty")
	}
	if _, err := (TLS{CertFile: t.CertFile, KeyFile: t.KeyFile}).certificates(); err != nil {
		return "cert_file", fmt.Errorf("%w; accepted: readable PEM files of a certificate and its key", err)
	}
	if _, err := (TLS{CAFile: t.ClientCAFile}).roots(); err != nil {
		return "client_ca_file", fmt.Errorf("%w; accepted: a readable file of PEM certificates, or empty", err)
	}
	return "", nil
}

func (l *loader) checkListenerTLS() {
	for i, listener := range l.config.Listeners {
		if option, reason := listener.TLS.fault(); reason != nil {
			l.add(fmt.Sprintf("listeners[%d].tls.%s", i, option), reason.Error())
		}
	}
}

// clearTextWarnings tells of listeners that passwords reach unencrypted.
func (c *Config) clearTextWarnings() (warnings []string) {
	for i, listener := range c.Listeners {
		if !listener.isLocal() && listener.TLS.CertFile == "" {
			warnings = append(warnings, fmt.Sprintf("listeners[%d] (%s) is open to other machines without TLS: passwords and values cross the network in clear text; set its tls.cert_file and tls.key_file", i, listener.Address))
		}
	}
	return warnings
}
