package inject

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// containerName is the sidecar's. Volumes have it as their prefix.
const containerName = "fsproxy"

// meshContainers set up, or are, what a Pod's traffic goes through. The sidecar
// comes behind them, since its own traffic shall go through it.
var meshContainers = []string{
	"istio-init", "istio-validation", "istio-proxy",
	"linkerd-init", "linkerd-network-validator", "linkerd-proxy",
}

// pod is a Pod, or the template of one: metadata and spec.
type pod struct{ object }

func (p pod) labels() object      { return inner(p.object, "metadata", "labels") }
func (p pod) annotations() object { return inner(p.object, "metadata", "annotations") }
func (p pod) spec() object        { return section(p.object, "spec") }

func (p pod) annotate(name, value string) {
	section(p.object, "metadata", "annotations")[name] = value
}

// everyContainer is the application's and all others' containers.
func (p pod) everyContainer() []object {
	spec := inner(p.object, "spec")
	return slices.Concat(elements(spec, "initContainers"), elements(spec, "containers"))
}

// sidecarIndex is where the sidecar goes among the init containers.
func (p pod) sidecarIndex() int {
	index := 0
	for i, c := range elements(inner(p.object, "spec"), "initContainers") {
		if slices.Contains(meshContainers, text(c, "name")) {
			index = i + 1
		}
	}
	return index
}

// served are the containers that start when the sidecar is there: all but those
// of a mesh, and without the init containers that end before it, or all of
// them where it is an ordinary container.
func (p pod) served(ordinary bool) (containers []object) {
	spec := inner(p.object, "spec")
	if !ordinary {
		containers = elements(spec, "initContainers")[p.sidecarIndex():]
	}
	containers = append(containers, elements(spec, "containers")...)
	return slices.DeleteFunc(containers, func(c object) bool {
		return slices.Contains(meshContainers, text(c, "name"))
	})
}

// refusal is why a Pod cannot have the sidecar, or "".
func (p pod) refusal(w wish) string {
	for _, check := range []func(wish) string{
		p.clash, p.platform, p.network, p.ending, p.portTaken, p.socketTaken,
	} {
		if reason := check(w); reason != "" {
			return reason
		}
	}
	return ""
}

// clash finds names that the sidecar would need, and other injectors' work.
func (p pod) clash(wish) string {
	if len(elements(inner(p.object, "spec"), "containers")) == 0 {
		return "the Pod has no containers"
	}
	for _, c := range p.everyContainer() {
		switch {
		case text(c, "name") == containerName:
			return "the Pod has a container of the name " + containerName + " that this injector has not made; remove it, or the label " + InjectLabel
		case imageName(text(c, "image")) == containerName:
			return "the container " + text(c, "name") + " runs fsproxy already, by hand or by another injector; remove it, or the label " + InjectLabel
		}
	}
	for _, v := range elements(inner(p.object, "spec"), "volumes") {
		if strings.HasPrefix(text(v, "name"), containerName+"-") {
			return "the Pod has a volume " + text(v, "name") + " that this injector has not made; volumes that begin with " + containerName + "- are the sidecar's"
		}
	}
	return ""
}

// imageName is the last part of an image's name, without tag and digest.
func imageName(image string) string {
	image, _, _ = strings.Cut(image, "@")
	image, _, _ = strings.Cut(path.Base(image), ":")
	return image
}

func (p pod) platform(wish) string {
	spec := inner(p.object, "spec")
	if text(inner(spec, "os"), "name") == "windows" || text(inner(spec, "nodeSelector"), "kubernetes.io/os") == "windows" {
		return "the Pod is for Windows, and the sidecar's image for Linux"
	}
	return ""
}

func (p pod) network(w wish) string {
	hostNetwork, _ := inner(p.object, "spec")["hostNetwork"].(bool)
	if _, adminGiven := w.options[adminKey]; hostNetwork && (!w.portGiven || !adminGiven) {
		return "the Pod is in the host's network, where every process of the node could reach the sidecar, and two such Pods would want one port; if that is meant, choose the port with " + Prefix + "port, and another " + Prefix + "admin.address"
	}
	return ""
}

// ending is about Pods that end by themselves: an ordinary container that does
// not end would keep them from it.
func (p pod) ending(w wish) string {
	policy := text(inner(p.object, "spec"), "restartPolicy")
	if w.ordinary && (policy == "OnFailure" || policy == "Never") {
		return "the Pod ends by itself (restartPolicy " + policy + "), which an ordinary sidecar container would prevent; use a native one (" + Prefix + "sidecar)"
	}
	return ""
}

func (p pod) portTaken(w wish) string {
	ours := []int{w.port, w.adminPort()}
	for _, c := range p.everyContainer() {
		for _, declared := range elements(c, "ports") {
			if protocol := text(declared, "protocol"); protocol != "" && protocol != "TCP" {
				continue
			}
			for i, option := range []string{"port", "admin.address"} {
				if ours[i] != 0 && number(declared, "containerPort") == int64(ours[i]) {
					return fmt.Sprintf("the container %s has the port %d, where the sidecar would listen; choose another with %s%s", text(c, "name"), ours[i], Prefix, option)
				}
			}
		}
	}
	return ""
}

func (p pod) socketTaken(w wish) string {
	if !w.socket {
		return ""
	}
	for _, c := range p.served(w.ordinary) {
		for _, m := range elements(c, "volumeMounts") {
			if path.Clean(text(m, "mountPath")) == socketFolder {
				return "the container " + text(c, "name") + " has something mounted at " + socketFolder + ", where the Unix socket would be"
			}
		}
	}
	return ""
}

// missing warns of containers that are named and not there.
func (p pod) missing(names []string) (warnings []string) {
	for _, name := range names {
		if !slices.ContainsFunc(p.everyContainer(), func(c object) bool { return text(c, "name") == name }) {
			warnings = append(warnings, fmt.Sprintf("%scontainers names %s, and the Pod has no such container", Prefix, name))
		}
	}
	return warnings
}

const (
	// defaultGrace, in seconds, is Kubernetes' own.
	defaultGrace = 30

	// inFlight is what requests in flight may take when drain_timeout is over.
	inFlight = 5 * time.Second
)

// shortGrace warns where the sidecar would be killed before it has done what it
// does when it is told to stop. A native one has no clients any more by then.
func (p pod) shortGrace(w *wish) string {
	grace := time.Duration(defaultGrace) * time.Second
	if spec := p.spec(); spec["terminationGracePeriodSeconds"] != nil {
		grace = time.Duration(number(spec, "terminationGracePeriodSeconds")) * time.Second
	}
	var needs time.Duration
	var names []string
	if w.ordinary {
		needs, names = w.duration(drainKey)+inFlight, append(names, drainKey, inFlight.String()+" for what is in flight")
	}
	if file, said := w.options[warmKey]; file != "" || !said {
		needs, names = needs+w.duration(saveKey), append(names, saveKey)
	}
	if needs <= grace {
		return ""
	}
	return fmt.Sprintf("terminationGracePeriodSeconds is %d, and the sidecar may take %v to stop (%s): it would be killed, and its rows not be kept", int(grace.Seconds()), needs, strings.Join(names, " + "))
}

// isGuaranteed tells whether each container of the Pod has limits for CPU and
// memory that equal its requests.
func (p pod) isGuaranteed() bool {
	for _, c := range p.everyContainer() {
		limits, requests := inner(c, "resources", "limits"), inner(c, "resources", "requests")
		for _, kind := range []string{"cpu", "memory"} {
			limit, limited := limits[kind]
			request, requested := requests[kind]
			if !limited || requested && !equalQuantities(limit, request) {
				return false
			}
		}
	}
	return true
}

// insertContainer puts the sidecar where it belongs.
func (p pod) insertContainer(sidecar object, ordinary bool) {
	spec, list, index := p.spec(), "initContainers", p.sidecarIndex()
	if ordinary {
		// First, so that the kubelet waits for its postStart hook before it
		// starts the application.
		list, index = "containers", 0
	}
	old, _ := spec[list].([]any)
	spec[list] = slices.Insert(slices.Clone(old), index, any(sidecar))
}

// scraped marks the Pod for Prometheus, unless it says something of that itself.
func (p pod) scraped(port int) {
	for name := range maps.Keys(p.annotations()) {
		if strings.HasPrefix(name, "prometheus.io/") {
			return
		}
	}
	p.annotate("prometheus.io/scrape", "true")
	p.annotate("prometheus.io/port", fmt.Sprint(port))
	p.annotate("prometheus.io/path", "/metrics")
}
