package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// validate checks what no option can tell by itself: one option against
// another, and the files that options name.
func (l *loader) validate() {
	l.checkListeners()
	l.checkListenerTLS()
	l.checkListenerValues()
	l.checkAuth()
	l.checkAdmin()
	l.checkAdminToken()
	l.checkUpstreamAddresses()
	l.checkTLS("upstream.tls", l.config.Upstream.TLS)
	l.checkPassword()
	l.checkFeatures()
	l.checkInvalidation()
	l.checkWarm()
	l.checkRollout()
	l.checkOrder("cache.negative_max_age", "cache.max_age")
	l.checkOrder("limits.max_bulk_bytes", "limits.max_request_bytes")
	l.checkOrder("limits.max_inline_bytes", "limits.max_request_bytes")
	if l.config.Cache.MaxBytes > 0 {
		l.checkOrder("cache.max_row_bytes", "cache.max_bytes")
	}
}

func (l *loader) checkListeners() {
	seen := map[string]int{}
	for i, listener := range l.config.Listeners {
		key := fmt.Sprintf("listeners[%d].address", i)
		endpoint := sameEndpoint(listener.Address)
		if first, twice := seen[endpoint]; twice && endpoint != "" {
			l.add(key, fmt.Sprintf("the same address as listeners[%d]; accepted: each address once", first))
			continue
		}
		seen[endpoint] = i
	}
}

// checkAdmin sees an address of a listener only if it is the very same: what
// 0.0.0.0 covers is for the kernel to say.
func (l *loader) checkAdmin() {
	if i := l.listenerAt(l.config.Admin.Address); i >= 0 {
		l.add("admin.address", fmt.Sprintf("the same address as listeners[%d]; accepted: a port of its own, or empty to switch it off", i))
	}
}

func (l *loader) checkUpstreamAddresses() {
	seen := map[string]int{}
	for i, address := range l.config.Upstream.Addresses {
		key := fmt.Sprintf("upstream.addresses[%d]", i)
		endpoint := sameEndpoint(address)
		first, twice := seen[endpoint]
		if twice {
			l.add(key, fmt.Sprintf("the same address as upstream.addresses[%d]; accepted: each address once", first))
			continue
		}
		seen[endpoint] = i
		if at := l.listenerAt(address); at >= 0 {
			l.add(key, fmt.Sprintf("fsproxy itself listens there (listeners[%d]); accepted: the address of the store", at))
		}
	}
}

// listenerAt is the index of the listener with an address, or -1.
func (l *loader) listenerAt(address string) int {
	endpoint := sameEndpoint(address)
	if address == "" || endpoint == "" || l.faulty["listeners"] {
		return -1
	}
	return slices.IndexFunc(l.config.Listeners, func(listener Listener) bool {
		return sameEndpoint(listener.Address) == endpoint
	})
}

func (l *loader) checkTLS(section string, tls TLS) {
	if !tls.Enabled {
		l.checkUnusedTLS(section)
		return
	}
	if tls.CertFile != "" && tls.KeyFile == "" {
		l.add(section+".cert_file", "a certificate without its key; accepted: "+section+".key_file beside it, or neither")
		return
	}
	if tls.KeyFile != "" && tls.CertFile == "" {
		l.add(section+".key_file", "a key without its certificate; accepted: "+section+".cert_file beside it, or neither")
		return
	}
	if _, err := tls.roots(); err != nil {
		l.add(section+".ca_file", err.Error()+"; accepted: a readable file of PEM certificates, or empty for the system's")
	}
	if _, err := tls.certificates(); err != nil {
		l.add(section+".cert_file", err.Error()+"; accepted: readable PEM files of a certificate and its key")
	}
}

// checkUnusedTLS keeps someone who configured TLS from running without it.
func (l *loader) checkUnusedTLS(section string) {
	if l.faulty[section+".enabled"] {
		return
	}
	for _, name := range []string{"ca_file", "cert_file", "key_file", "server_name"} {
		key := section + "." + name
		if l.config.text(key) != "" {
			l.add(key, "has no effect while "+section+".enabled is false; accepted: "+section+".enabled true beside it, or empty")
		}
	}
}

func (l *loader) checkPassword() {
	upstream := &l.config.Upstream
	if upstream.PasswordFile == "" {
		if upstream.Username != "" && !l.faulty["upstream.password_file"] {
			l.add("upstream.username", "a user without a password; accepted: upstream.password_file beside it, or empty")
		}
		return
	}
	password, err := readPassword(upstream.PasswordFile)
	if err != nil {
		l.add("upstream.password_file", err.Error()+"; accepted: a readable file that holds the password")
		return
	}
	upstream.password = &password
}

// checkOrder wants one option to be at most another of the same kind.
func (l *loader) checkOrder(smaller, larger string) {
	least, most := l.config.field(smaller).Int(), l.config.field(larger).Int()
	if least > most && !l.faulty[larger] {
		l.add(smaller, fmt.Sprintf("more than %s, which is %s (%s); accepted: at most that",
			larger, l.config.text(larger), l.config.origin(larger)))
	}
}

// add adds a problem of an option that is not faulty for another reason.
func (l *loader) add(key, reason string) {
	option, _, _ := strings.Cut(key, "[")
	if l.faulty[option] {
		return
	}
	l.problems = append(l.problems, newProblem(key, l.config.text(key), reason, l.config.origin(key)))
}

// text is the value of a key in the form that Load reads.
func (c *Config) text(key string) string {
	return formatValue(c.field(key).Interface())
}

// field finds the value of a key such as "listeners[0].address" by the tags of
// the Config type. The key must exist.
func (c *Config) field(key string) reflect.Value {
	value := reflect.ValueOf(c).Elem()
	for part := range strings.SplitSeq(key, ".") {
		name, index, isElement := strings.Cut(strings.TrimSuffix(part, "]"), "[")
		value = fieldByTag(value, name)
		if isElement {
			i, _ := strconv.Atoi(index)
			value = value.Index(i)
		}
	}
	return value
}

func fieldByTag(section reflect.Value, name string) reflect.Value {
	for i := range section.NumField() {
		if section.Type().Field(i).Tag.Get("mapstructure") == name {
			return section.Field(i)
		}
	}
	panic("config: no field for " + strconv.Quote(name) + " in " + section.Type().String())
}
