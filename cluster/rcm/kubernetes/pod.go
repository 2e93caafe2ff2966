package kubernetes

import (
	"net"
	"net/netip"
	"strconv"
)

// What is read of the objects of the API; whatever else they hold is skipped.

type status struct {
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

type podList struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
		Continue        string `json:"continue"`
	} `json:"metadata"`
	Items []pod `json:"items"`
}

type pod struct {
	Metadata struct {
		Namespace         string            `json:"namespace"`
		Name              string            `json:"name"`
		ResourceVersion   string            `json:"resourceVersion"`
		DeletionTimestamp *string           `json:"deletionTimestamp"`
		Labels            map[string]string `json:"labels"`
		Annotations       map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Containers     []container `json:"containers"`
		InitContainers []container `json:"initContainers"` // those of sidecars stay
	} `json:"spec"`
	Status struct {
		Phase      string `json:"phase"`
		PodIP      string `json:"podIP"`
		Conditions []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
		} `json:"conditions"`
	} `json:"status"`
}

type container struct {
	Ports []struct {
		Name          string `json:"name"`
		ContainerPort int    `json:"containerPort"`
	} `json:"ports"`
}

// name is how a Pod is told from others, and named in the log.
func (p *pod) name() string { return p.Metadata.Namespace + "/" + p.Metadata.Name }

// runs tells whether the Pod is there to be asked: it has begun, and is not
// about to end.
func (p *pod) runs() bool {
	return p.Metadata.DeletionTimestamp == nil && p.Status.Phase == "Running" && p.Status.PodIP != ""
}

func (p *pod) ready() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

// value is what the Pod says under key: its annotation, or else its label.
func (p *pod) value(key string) string {
	if v := p.Metadata.Annotations[key]; v != "" {
		return v
	}
	return p.Metadata.Labels[key]
}

// port is the container port of that name, or the number that name is.
func (p *pod) port(name string) (int, bool) {
	if n, err := strconv.Atoi(name); err == nil {
		return n, n > 0 && n < 1<<16
	}
	for _, list := range [][]container{p.Spec.Containers, p.Spec.InitContainers} {
		for _, c := range list {
			for _, port := range c.Ports {
				if port.Name == name && port.ContainerPort > 0 && port.ContainerPort < 1<<16 {
					return port.ContainerPort, true
				}
			}
		}
	}
	return 0, false
}

// address joins the Pod's address and a port; false when it has none that others
// can connect to. Of a Pod with two families it is the first, which is the
// cluster's own.
func (p *pod) address(port int) (string, bool) {
	ip, err := netip.ParseAddr(p.Status.PodIP)
	if err != nil || ip.Zone() != "" || ip.IsUnspecified() || ip.IsMulticast() {
		return "", false
	}
	return net.JoinHostPort(ip.String(), strconv.Itoa(port)), true
}
