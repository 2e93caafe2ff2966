package inject

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/fsproxy/fsproxy/config"
)

// Where things are in the sidecar.
const (
	loopback     = "127.0.0.1"
	socketFolder = "/run/fsproxy"
	socketPath   = socketFolder + "/fsproxy.sock"
	warmFolder   = "/var/lib/fsproxy"
	warmFile     = warmFolder + "/rows"
	configFolder = "/etc/fsproxy/config"
	secretFolder = "/etc/fsproxy/secret"
	configFile   = "fsproxy.yaml"

	// adminAddress is open to the Pod's network, so that it can be scraped.
	adminAddress = ":9190"

	socketVolume = containerName + "-socket"
	warmVolume   = containerName + "-warm"
	configVolume = containerName + "-config"
	secretVolume = containerName + "-secret"
)

// Keys of options that the injector itself knows.
const (
	addressesKey = "upstream.addresses"
	tlsKey       = "upstream.tls.enabled"
	passwordKey  = "upstream.password_file"
	adminKey     = "admin.address"
	listenersKey = "listeners"
	warmKey      = "warm.file"
	readinessKey = "warm.readiness"
	saveKey      = "warm.save_timeout"
	drainKey     = "drain_timeout"
)

const (
	// warmShare is the size of the volume of the warm file, in memory limits:
	// room for the file and for the next one beside it.
	warmShare = 2

	// Of the start: the kubelet asks each second, and gives up, and starts the
	// container anew, after a minute. It listens after a tenth of a second.
	probePeriod   = 1
	probeTimeout  = 3
	probeFailures = 60

	// startPatience is how long an ordinary container holds the start of the
	// application back, at most.
	startPatience = 30 * time.Second
)

// fill gives the options that follow from the settings, where nothing else was
// said.
func (w *wish) fill(store storeAddress) {
	if len(store.hosts) > 0 {
		w.options[addressesKey] = strings.Join(store.hosts, ",")
	}
	if _, said := w.options[tlsKey]; store.tls && !said {
		w.options[tlsKey] = "true"
	}
	w.setDefault(adminKey, adminAddress)
	w.setDefault(warmKey, warmFile)
	if _, given := w.options[listenersKey]; !given {
		listeners := net.JoinHostPort(loopback, strconv.Itoa(w.port))
		if w.socket {
			listeners += ",unix://" + socketPath
		}
		w.options[listenersKey] = listeners
	}
}

// setDefault sets an option, if there is one of that name, unless it was said.
func (w *wish) setDefault(key, value string) {
	if _, said := w.options[key]; said {
		return
	}
	for _, o := range config.Options() {
		if o.Key == key {
			w.options[key] = value
		}
	}
}

// duration is what an option will be, where no ConfigMap says otherwise.
func (w *wish) duration(key string) time.Duration {
	value, said := w.options[key]
	for _, o := range config.Options() {
		if o.Key == key && !said {
			value = o.Default
		}
	}
	d, _ := time.ParseDuration(value) // checked when it was read
	return d
}

// adminPort is where the admin address will be, or 0 for nowhere.
func (w *wish) adminPort() int {
	if address, said := w.options[adminKey]; said {
		return portOf(address)
	}
	return portOf(adminAddress)
}

// isAdminOpen tells whether the admin address can be reached from outside the
// Pod.
func (w *wish) isAdminOpen() bool {
	host, _, err := net.SplitHostPort(w.options[adminKey])
	ip := net.ParseIP(host)
	return err == nil && host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// container is the sidecar.
func (w *wish) container() object {
	c := object{
		"name":                     containerName,
		"image":                    w.image,
		"imagePullPolicy":          w.pullPolicy,
		"args":                     []any{"serve"},
		"env":                      w.environment(),
		"ports":                    w.ports(),
		"resources":                w.resources(),
		"securityContext":          w.securityContext(),
		"terminationMessagePolicy": "FallbackToLogsOnError",
		"volumeMounts":             w.mounts(),
	}
	if probe := w.startProbe(); probe != nil {
		c["startupProbe"] = probe
	}
	if !w.ordinary {
		c["restartPolicy"] = "Always"
	} else if w.probe != probeNone && w.options[adminKey] != "" {
		c["lifecycle"] = object{"postStart": object{"exec": object{
			"command": []any{"/fsproxy", "check", "--ready", "--wait", (startPatience + w.duration(readinessKey)).String()},
		}}}
	}
	return c
}

// environment is what the sidecar is told: first where it is, then its options
// in the order of their table.
func (w *wish) environment() []any {
	limit := config.Memory{Bytes: config.Bytes(w.memory.whole())}
	env := []any{
		fieldVariable("POD_NAME", "metadata.name"),
		fieldVariable("POD_NAMESPACE", "metadata.namespace"),
		fieldVariable("POD_IP", "status.podIP"),
		fieldVariable("NODE_NAME", "spec.nodeName"),
		// Empty where nobody labels Pods with their zone: Kubernetes itself does
		// so from 1.35.
		fieldVariable("POD_ZONE", "metadata.labels['"+zoneLabel+"']"),
		// What `fsproxy serve` would take by itself, for all to see.
		object{"name": "GOMEMLIMIT", "value": strconv.FormatInt(int64(limit.Heap()), 10)},
	}
	if w.cpuLimit.text == "" {
		env = append(env, object{"name": "GOMAXPROCS", "value": strconv.Itoa(w.processors())})
	}
	if w.config != "" {
		env = append(env, object{"name": config.FileVariable, "value": configFolder + "/" + configFile})
	}
	for _, o := range config.Options() {
		if value, said := w.options[o.Key]; said {
			env = append(env, object{"name": o.Variable(), "value": escapeVariable(value)})
		} else if o.Key == zoneKey {
			env = append(env, object{"name": o.Variable(), "value": "$(POD_ZONE)"})
		}
	}
	return env
}

const (
	zoneLabel = "topology.kubernetes.io/zone"

	// zoneKey is the option that tells the sidecar its own zone, if there is one.
	zoneKey = "upstream.zone"
)

// escapeVariable keeps Kubernetes from replacing $(NAME), and from taking $$ for $.
func escapeVariable(value string) string { return strings.ReplaceAll(value, "$", "$$") }

func fieldVariable(name, path string) object {
	return object{"name": name, "valueFrom": object{"fieldRef": object{"fieldPath": path}}}
}

// processors is twice what was requested: requests are what is always there,
// and others seldom use all of theirs.
func (w *wish) processors() int {
	if w.maxProcs > 0 {
		return w.maxProcs
	}
	return max(2, int(math.Ceil(2*w.cpu.milli/1e3)))
}

// ports are declared so that others see that they are taken, and so that a
// PodMonitor finds the admin address by its name.
func (w *wish) ports() []any {
	var ports []any
	if w.port != 0 {
		ports = append(ports, object{"name": "fsproxy", "containerPort": w.port, "protocol": "TCP"})
	}
	if port := w.adminPort(); port != 0 && w.isAdminOpen() {
		ports = append(ports, object{"name": "fsproxy-admin", "containerPort": port, "protocol": "TCP"})
	}
	return ports
}

func (w *wish) resources() object {
	requests := object{"cpu": w.cpu.text, "memory": w.memory.text}
	limits := object{"memory": w.memory.text}
	if w.cpuLimit.text != "" {
		limits["cpu"] = w.cpuLimit.text
		if w.cpuLimit.milli < w.cpu.milli {
			requests["cpu"] = w.cpuLimit.text
		}
	}
	return object{"requests": requests, "limits": limits}
}

func (w *wish) securityContext() object {
	context := object{
		"allowPrivilegeEscalation": false,
		"capabilities":             object{"drop": []any{"ALL"}},
		"privileged":               false,
		"readOnlyRootFilesystem":   true,
		"runAsNonRoot":             true,
		"seccompProfile":           object{"type": "RuntimeDefault"},
	}
	if w.user != 0 {
		context["runAsUser"], context["runAsGroup"] = w.user, w.user
	}
	return context
}

func (w *wish) startProbe() object {
	address := w.options[adminKey]
	if w.probe == probeNone || address == "" {
		return nil
	}
	// The container is not killed while it is told not to be ready.
	failures := probeFailures + int(math.Ceil(w.duration(readinessKey).Seconds()/probePeriod))
	probe := object{"periodSeconds": probePeriod, "timeoutSeconds": probeTimeout, "failureThreshold": failures}
	if w.probe == probeHTTP && w.isAdminOpen() {
		probe["httpGet"] = object{"path": "/readyz", "port": "fsproxy-admin", "scheme": "HTTP"}
	} else {
		probe["exec"] = object{"command": []any{"/fsproxy", "check", "--ready"}}
	}
	return probe
}

func (w *wish) mounts() []any {
	mounts := []any{
		object{"name": socketVolume, "mountPath": socketFolder},
		object{"name": warmVolume, "mountPath": warmFolder},
	}
	if w.config != "" {
		mounts = append(mounts, object{"name": configVolume, "mountPath": configFolder, "readOnly": true})
	}
	if w.secret != "" {
		mounts = append(mounts, object{"name": secretVolume, "mountPath": secretFolder, "readOnly": true})
	}
	return mounts
}

func (w *wish) volumes() []any {
	volumes := []any{
		object{"name": socketVolume, "emptyDir": object{"sizeLimit": "1Mi"}},
		object{"name": warmVolume, "emptyDir": object{"sizeLimit": w.memory.times(warmShare)}},
	}
	if w.config != "" {
		volumes = append(volumes, object{"name": configVolume, "configMap": object{"name": w.config}})
	}
	if w.secret != "" {
		volumes = append(volumes, object{"name": secretVolume, "secret": object{"secretName": w.secret}})
	}
	return volumes
}

// elsewhere stands before the name of a file that is in the Pod: it does not
// exist here, so nothing of this machine is read in its place, whatever an
// annotation says.
const elsewhere = "/fsproxy-elsewhere"

// check is what the sidecar itself would say of its options, all of them
// together, and of its memory. With a ConfigMap, which cannot be seen here, the rest of them is not
// known; each by itself has been checked already.
func (w *wish) check() (warnings []string, err error) {
	if w.config != "" {
		return nil, nil
	}
	var environ []string
	for _, o := range config.Options() {
		value, said := w.options[o.Key]
		if !said {
			continue
		}
		if o.Form.Kind == "file" && value != "" {
			value = elsewhere + value
		}
		environ = append(environ, o.Variable()+"="+value)
	}
	cfg, err := config.Load(config.Sources{Environ: environ})
	if err == nil {
		return cfg.MemoryWarnings(config.Memory{Bytes: config.Bytes(w.memory.whole()), Source: Prefix + "memory"}), nil
	}
	var faults []string
	for _, e := range unjoin(err) {
		// That a file is not here says nothing of the Pod.
		if !strings.Contains(e.Error(), "no such file or directory") {
			faults = append(faults, strings.ReplaceAll(annotated(e).Error(), elsewhere, ""))
		}
	}
	if len(faults) == 0 {
		return nil, nil
	}
	return nil, fmt.Errorf("the sidecar would not start: %s", strings.Join(faults, "; "))
}
