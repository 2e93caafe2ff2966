package inject

import "fmt"

// overBudget says why the Pod's resources as a whole (spec.resources) would not
// hold those of its containers, of which the sidecar is one by now, or "". The API
// server would not take such a Pod at all.
func (p pod) overBudget() string {
	budget := inner(p.spec(), "resources")
	for _, kind := range []string{"cpu", "memory"} {
		if most, err := parseQuantity(fmt.Sprint(inner(budget, "requests")[kind])); err == nil && p.requested(kind) > most.milli {
			return fmt.Sprintf("the whole Pod requests %s of %s (spec.resources), and its containers with the sidecar more; raise it by the sidecar's %s%s", most.text, kind, Prefix, kind)
		}
		most, err := parseQuantity(fmt.Sprint(inner(budget, "limits")[kind]))
		if err != nil {
			continue
		}
		for _, c := range p.everyContainer() {
			limit, err := parseQuantity(fmt.Sprint(inner(c, "resources", "limits")[kind]))
			if text(c, "name") == containerName && err == nil && limit.milli > most.milli {
				return fmt.Sprintf("the whole Pod is limited to %s of %s (spec.resources), and the sidecar alone to %s; raise the one or lower the other", most.text, kind, limit.text)
			}
		}
	}
	return ""
}

// requested is what the containers need at the same time, in thousandths: all that
// stay, or an init container beside the native sidecars before it.
func (p pod) requested(kind string) float64 {
	beside, most := 0.0, 0.0
	for _, c := range elements(p.spec(), "initContainers") {
		if text(c, "restartPolicy") == "Always" {
			beside += requestOf(c, kind)
		} else {
			most = max(most, beside+requestOf(c, kind))
		}
	}
	for _, c := range elements(p.spec(), "containers") {
		beside += requestOf(c, kind)
	}
	return max(most, beside)
}

// requestOf is a container's request, which is its limit where it has none.
func requestOf(c object, kind string) float64 {
	for _, section := range []string{"requests", "limits"} {
		if q, err := parseQuantity(fmt.Sprint(inner(c, "resources", section)[kind])); err == nil {
			return q.milli
		}
	}
	return 0
}
