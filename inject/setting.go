package inject

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// setting is a row of the table of what can be said of an injected sidecar,
// besides its own options: each is an annotation, and where a default of one's
// own makes sense, a flag of the injector.
type setting struct {
	name     string // annotation fsproxy.io/<name>, flag --<name>
	flag     bool
	initial  string // as text; "" for none
	accepted string // as a phrase that ends an error message
	meaning  string
	read     func(*settings, string) error
}

// settings are what the table's rows come to for one Pod.
type settings struct {
	image, pullPolicy string
	ordinary          bool // not a native sidecar
	port              int
	portGiven         bool // by the Pod
	socket            bool
	memory, cpu       quantity
	cpuLimit          quantity // zero: none
	maxProcs          int      // 0: from cpu
	probe             string
	prometheus        bool
	user              int64 // 0: left to the platform

	addressEnv [][]string // groups: one variable of a whole address, or two of host and port
	upstream   string
	// upstreamGiven tells that the Pod, and not the injector's defaults, says
	// where the store is.
	upstreamGiven bool
	config        string
	secret        string
	containers    []string // empty: all of the application's
}

// Defaults of the table, with their reasons.
const (
	// DefaultImage is a placeholder: where an image is to be had is for whoever
	// installs the injector to say.
	DefaultImage = "fsproxy/fsproxy:latest"

	// defaultMemory holds some millions of feature values, in 60 % of it.
	defaultMemory = "256Mi"

	// defaultCPU is what a sidecar with a steady hit rate uses in a busy Pod.
	// It is a request: without a limit a burst of misses is not throttled.
	defaultCPU = "100m"

	// defaultUser is the image's. It is not 1337, whose traffic Istio does not
	// intercept.
	defaultUser = "65532"
	istioUser   = 1337
)

const (
	probeExec = "exec"
	probeHTTP = "http"
	probeNone = "none"
)

func settingTable() []setting {
	return append(placeSettings(), containerSettings()...)
}

// placeSettings say where the store and the sidecar are.
func placeSettings() []setting {
	return []setting{
		{
			name: "address-env", accepted: "NAME for a whole address (host:port, several with commas, or a redis:// URL) or HOST_NAME,PORT_NAME; several such with semicolons",
			meaning: "The environment variables that tell the application where the store is: they are pointed at fsproxy, and what they said becomes the upstream",
			read:    readAddressEnv,
		},
		{
			name: "upstream", accepted: "host:port, several with commas",
			meaning: "The store, nodes of it, or its RCM: needed where the variables of address-env take their value from elsewhere (valueFrom, envFrom). The same as upstream.addresses",
			read:    keep(func(s *settings) *string { return &s.upstream }),
		},
		{
			name: "config", accepted: "the name of a ConfigMap in the Pod's namespace",
			meaning: "A ConfigMap with the key fsproxy.yaml, the configuration file. Annotations go before it",
			read:    objectName(func(s *settings) *string { return &s.config }),
		},
		{
			name: "secret", accepted: "the name of a Secret in the Pod's namespace",
			meaning: "A Secret that is mounted at " + secretFolder + ", for the options that name a file: a password, certificates",
			read:    objectName(func(s *settings) *string { return &s.secret }),
		},
		{
			name: "containers", accepted: "names of containers, with commas",
			meaning: "The containers whose variables are changed; without it, all that have them",
			read: func(s *settings, text string) error {
				s.containers = fields(text, ",")
				return nil
			},
		},
		{
			name: "port", flag: true, initial: "6379", accepted: "a port from 1024 to 65535",
			meaning: "Where the sidecar listens, on loopback. A Pod in the host's network has to name one, which is then taken on the node",
			read: func(s *settings, text string) (err error) {
				s.port, err = between(text, 1024, 65535)
				return err
			},
		},
		{
			name: "socket", flag: true, initial: "false", accepted: "true or false",
			meaning: "Whether the sidecar also listens on the Unix socket " + socketPath + ", which the application's containers then see",
			read:    truth(func(s *settings) *bool { return &s.socket }),
		},
	}
}

// containerSettings say what the sidecar is as a container.
func containerSettings() []setting {
	return []setting{
		{
			name: "sidecar", flag: true, initial: "native", accepted: "native or container",
			meaning: "native is an init container that is always restarted: it starts before the application and ends after it (Kubernetes 1.29 or later). container is an ordinary one, for older clusters",
			read: func(s *settings, text string) error {
				s.ordinary = text == "container"
				return oneOf(text, "native", "container")
			},
		},
		{
			name: "image", flag: true, initial: DefaultImage, accepted: "the name of an image",
			meaning: "The sidecar's image",
			read:    keep(func(s *settings) *string { return &s.image }),
		},
		{
			name: "image-pull-policy", flag: true, initial: "IfNotPresent", accepted: "Always, IfNotPresent or Never",
			meaning: "When the image is pulled",
			read: func(s *settings, text string) error {
				s.pullPolicy = text
				return oneOf(text, "Always", "IfNotPresent", "Never")
			},
		},
		{
			name: "memory", flag: true, initial: defaultMemory, accepted: "an amount such as 256Mi or 2Gi, of at least 32Mi",
			meaning: "Memory, as request and limit both: a container that may take more than it asked for is the first to be killed. Rows get at most 60 % of it, unless cache.max_bytes says otherwise",
			read: func(s *settings, text string) (err error) {
				if s.memory, err = parseQuantity(text); err == nil && s.memory.whole() < leastMemory {
					err = errors.New("too little")
				}
				return err
			},
		},
		{
			name: "cpu", flag: true, initial: defaultCPU, accepted: "an amount such as 100m or 2",
			meaning: "The CPU request",
			read:    amount(func(s *settings) *quantity { return &s.cpu }),
		},
		{
			name: "cpu-limit", flag: true, accepted: "an amount such as 500m or 2",
			meaning: "The CPU limit; without it there is none, so that a burst is not throttled. A Pod of the class Guaranteed needs one",
			read:    amount(func(s *settings) *quantity { return &s.cpuLimit }),
		},
		{
			name: "gomaxprocs", flag: true, initial: "0", accepted: "a whole number from 0 to 256",
			meaning: "Threads that run Go code at a time, where there is no CPU limit to take it from: else it would be the node's CPUs. 0: twice the CPU request, at least 2",
			read: func(s *settings, text string) (err error) {
				s.maxProcs, err = between(text, 0, 256)
				return err
			},
		},
		{
			name: "probe", flag: true, initial: probeExec, accepted: "exec, http or none",
			meaning: "How the kubelet asks whether the sidecar has started, before it starts the application: exec works in every mesh and with any admin.address; http costs no process, and needs the admin address to be open to the node",
			read: func(s *settings, text string) error {
				s.probe = text
				return oneOf(text, probeExec, probeHTTP, probeNone)
			},
		},
		{
			name: "prometheus", flag: true, initial: "true", accepted: "true or false",
			meaning: "Whether the Pod gets the annotations prometheus.io/scrape, port and path, if it has none of them",
			read:    truth(func(s *settings) *bool { return &s.prometheus }),
		},
		{
			name: "run-as-user", flag: true, initial: defaultUser, accepted: "a user id other than 0 and Istio's 1337, or 0 to let the platform choose, as OpenShift does",
			meaning: "The user that the sidecar runs as",
			read:    readUser,
		},
	}
}

// leastMemory, in bytes, is what the process takes with an empty cache. What it can
// then hold is next to nothing, of which it warns.
const leastMemory = 32 << 20

func readUser(s *settings, text string) error {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return errors.New("not a user id")
	}
	if n == istioUser {
		return errors.New("the user whose traffic Istio does not intercept")
	}
	s.user = n
	return nil
}

var variableName = regexp.MustCompile(`^[A-Za-z_.-][A-Za-z0-9_.-]*$`)

func readAddressEnv(s *settings, text string) error {
	s.addressEnv = nil
	for _, group := range fields(text, ";") {
		names := fields(group, ",")
		if len(names) == 0 || len(names) > 2 {
			return fmt.Errorf("%q is not one or two names", group)
		}
		for _, name := range names {
			if !variableName.MatchString(name) {
				return fmt.Errorf("%q is not the name of a variable", name)
			}
		}
		s.addressEnv = append(s.addressEnv, names)
	}
	if len(s.addressEnv) == 0 {
		return errors.New("no name")
	}
	return nil
}

// dnsName is the form of names of ConfigMaps and Secrets.
var dnsName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

func objectName(field func(*settings) *string) func(*settings, string) error {
	return func(s *settings, text string) error {
		*field(s) = text
		if !dnsName.MatchString(text) {
			return errors.New("not the name of an object")
		}
		return nil
	}
}

func keep(field func(*settings) *string) func(*settings, string) error {
	return func(s *settings, text string) error {
		*field(s) = text
		if text == "" || strings.ContainsAny(text, " \t\r\n") {
			return errors.New("empty, or more than one word")
		}
		return nil
	}
}

func amount(field func(*settings) *quantity) func(*settings, string) error {
	return func(s *settings, text string) (err error) {
		*field(s), err = parseQuantity(text)
		return err
	}
}

func truth(field func(*settings) *bool) func(*settings, string) error {
	return func(s *settings, text string) error {
		*field(s) = text == "true"
		return oneOf(text, "true", "false")
	}
}

func oneOf(text string, choices ...string) error {
	if !slices.Contains(choices, text) {
		return errors.New("not one of the choices")
	}
	return nil
}

func between(text string, least, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, errors.New("not a number in the range")
	}
	return n, nil
}

// fields splits text, and trims and drops what is empty.
func fields(text, separator string) (parts []string) {
	for part := range strings.SplitSeq(text, separator) {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
