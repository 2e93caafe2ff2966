package inject

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// storeAddress is where a variable said that the store is.
type storeAddress struct {
	hosts  []string // host:port
	scheme string   // "redis://", or "" where it is no URL
	user   string   // "user:password@" of a URL, or ""
	rest   string   // what follows the address in a URL: "/0?timeout=1s"
	tls    bool
	bare   bool // no port was given
}

// storePort is where a store listens that is named without a port.
const storePort = "6379"

// schemes are the URLs that clients take, and whether they mean TLS.
var schemes = []struct {
	prefix string
	tls    bool
}{
	{"redis://", false},
	{"rediss://", true},
	{"valkey://", false},
	{"valkeys://", true},
	{"tcp://", false},
}

// parseAddress reads one variable of a whole address.
func parseAddress(value string) (storeAddress, error) {
	a := storeAddress{}
	value = strings.TrimSpace(value)
	for _, s := range schemes {
		if rest, found := strings.CutPrefix(value, s.prefix); found {
			a.scheme, a.tls, value = s.prefix, s.tls, rest
			if end := strings.IndexAny(value, "/?#"); end >= 0 {
				value, a.rest = value[:end], value[end:]
			}
			if at := strings.LastIndexByte(value, '@'); at >= 0 {
				a.user, value = value[:at+1], value[at+1:]
			}
		}
	}
	if strings.Contains(value, "://") || strings.Contains(value, "@") {
		return a, errors.New("its form is not known: neither host:port nor a redis:// URL")
	}
	for _, host := range fields(value, ",") {
		joined, bare := withPort(host)
		a.hosts = append(a.hosts, joined)
		a.bare = a.bare || bare
	}
	if len(a.hosts) == 0 {
		return a, errors.New("it is empty")
	}
	return a, nil
}

// withPort gives a host the store's usual port, where it has none.
func withPort(host string) (joined string, bare bool) {
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host, false
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), storePort), true
}

// pointed is what the variable says when it means the sidecar.
func (a storeAddress) pointed(port int) (string, error) {
	address := net.JoinHostPort(loopback, strconv.Itoa(port))
	if a.bare && a.scheme == "" {
		if strconv.Itoa(port) != storePort {
			return "", fmt.Errorf("it names no port, so the sidecar has to listen on %s; accepted: a port in the variable, or no %sport", storePort, Prefix)
		}
		address = loopback
	}
	scheme := a.scheme
	if a.tls {
		scheme = strings.Replace(scheme, "s://", "://", 1)
	}
	return scheme + a.user + address + a.rest, nil
}

// portOf is the port of a host:port, or 0.
func portOf(address string) int {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(port)
	return n
}

// rewriting points the variables of containers at the sidecar, and gathers
// what they said.
type rewriting struct {
	wish
	known    bool // the Pod says where the store is, so the variables are not asked
	found    map[string]bool
	store    storeAddress // the first that was found
	foundIn  string       // and where, for people
	warnings []string
}

// rewriteAddresses changes the variables in place. It returns where they said
// the store is: no hosts where none said.
func (w wish) rewriteAddresses(containers []object) (storeAddress, []string, error) {
	r := &rewriting{wish: w, known: w.upstreamGiven, found: map[string]bool{}}
	for _, c := range containers {
		if len(w.containers) > 0 && !slices.Contains(w.containers, text(c, "name")) {
			continue
		}
		for _, group := range w.addressEnv {
			if err := r.group(c, group); err != nil {
				return r.store, nil, err
			}
		}
	}
	for _, group := range w.addressEnv {
		if !r.found[group[0]] {
			return r.store, nil, fmt.Errorf("no container has the environment variable %s of %saddress-env; accepted: names that are there, in env or, with %supstream, in envFrom", group[0], Prefix, Prefix)
		}
	}
	return r.store, r.warnings, nil
}

// group rewrites one group of variables of one container.
func (r *rewriting) group(c object, names []string) error {
	if !r.has(c, names[0]) {
		return nil
	}
	r.found[names[0]] = true
	if r.known {
		return r.replace(c, names)
	}
	values := make([]string, len(names))
	for i, name := range names {
		value, err := literal(c, name)
		if err != nil && r.options[addressesKey] != "" {
			return r.useDefault(c, names)
		}
		if err != nil {
			return fmt.Errorf("the variable %s of container %s %w; accepted: %supstream, which says where the store is", name, text(c, "name"), err, Prefix)
		}
		values[i] = value
	}
	joined := values[0]
	if len(values) == 2 {
		joined = net.JoinHostPort(strings.Trim(values[0], "[]"), values[1])
	}
	address, err := parseAddress(joined)
	if err == nil {
		err = r.remember(address, fmt.Sprintf("%s of container %s", strings.Join(names, ", "), text(c, "name")))
	}
	if err == nil {
		err = r.point(c, names, address)
	}
	if err != nil {
		return fmt.Errorf("the variable %s of container %s: %w", strings.Join(names, ", "), text(c, "name"), err)
	}
	return nil
}

// has tells whether the container sets the variable, or may set it, where the
// store is known without it.
func (r *rewriting) has(c object, name string) bool {
	if variable(c, name) != nil {
		return true
	}
	return (r.known || r.options[addressesKey] != "") && len(elements(c, "envFrom")) > 0
}

// useDefault takes the injector's own upstream.addresses, where the Pod does not
// say otherwise and the variable cannot be read.
func (r *rewriting) useDefault(c object, names []string) error {
	address := storeAddress{hosts: fields(r.options[addressesKey], ","), tls: r.options[tlsKey] == "true"}
	if err := r.remember(address, "the injector's --option "+addressesKey); err != nil {
		return fmt.Errorf("the variable %s of container %s cannot be read: %w", strings.Join(names, ", "), text(c, "name"), err)
	}
	return r.replace(c, names)
}

// remember wants all variables to mean one store.
func (r *rewriting) remember(address storeAddress, where string) error {
	if r.foundIn == "" {
		r.store, r.foundIn = address, where
		return nil
	}
	a, b := slices.Sorted(slices.Values(r.store.hosts)), slices.Sorted(slices.Values(address.hosts))
	if !slices.Equal(a, b) || r.store.tls != address.tls {
		return fmt.Errorf("it means another store (%s) than %s (%s), and a sidecar has one; accepted: one store, or %scontainers", strings.Join(b, ","), r.foundIn, strings.Join(a, ","), Prefix)
	}
	return nil
}

func (r *rewriting) point(c object, names []string, address storeAddress) error {
	if len(names) == 2 {
		assign(c, names[0], loopback)
		assign(c, names[1], strconv.Itoa(r.port))
		return nil
	}
	pointed, err := address.pointed(r.port)
	if err != nil {
		return err
	}
	assign(c, names[0], pointed)
	return nil
}

// replace points a variable whose store is known otherwise. A literal value
// keeps its form; what cannot be read gets the one that its name suggests.
func (r *rewriting) replace(c object, names []string) error {
	if len(names) == 2 {
		return r.point(c, names, storeAddress{})
	}
	name := names[0]
	if value, err := literal(c, name); err == nil {
		if address, err := parseAddress(value); err == nil {
			return r.point(c, names, address)
		}
	}
	address := storeAddress{}
	switch upper := strings.ToUpper(name); {
	case strings.HasSuffix(upper, "URL"), strings.HasSuffix(upper, "URI"):
		address.scheme = "redis://"
	case strings.HasSuffix(upper, "HOST"), strings.HasSuffix(upper, "HOSTNAME"):
		address.bare = true
	}
	if err := r.point(c, names, address); err != nil {
		return fmt.Errorf("the variable %s of container %s: %w", name, text(c, "name"), err)
	}
	value, _ := literal(c, name)
	r.warnings = append(r.warnings, fmt.Sprintf("the variable %s of container %s cannot be read here; it now says %s", name, text(c, "name"), value))
	return nil
}

// variable is the entry of a container's env that counts: the last of a name.
func variable(c object, name string) object {
	var last object
	for _, e := range elements(c, "env") {
		if text(e, "name") == name {
			last = e
		}
	}
	return last
}

// literal is a variable's value, if it stands there.
func literal(c object, name string) (string, error) {
	e := variable(c, name)
	switch {
	case e == nil:
		return "", errors.New("is not in env")
	case e["valueFrom"] != nil:
		return "", errors.New("takes its value from elsewhere (valueFrom)")
	case strings.Contains(strings.ReplaceAll(text(e, "value"), "$$", ""), "$("):
		return "", errors.New("is made from other variables")
	}
	return text(e, "value"), nil
}

// assign sets a variable, in all its entries, or adds it.
func assign(c object, name, value string) {
	found := false
	for _, e := range elements(c, "env") {
		if text(e, "name") == name {
			delete(e, "valueFrom")
			e["value"] = value
			found = true
		}
	}
	if !found {
		add(c, "env", object{"name": name, "value": value})
	}
}
