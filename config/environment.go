package config

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

const (
	// variablePrefix starts the name of every variable that is ours.
	variablePrefix = "FSPROXY_"

	// FileVariable names the configuration file where no flag does. It is the
	// only variable of ours that is not an option.
	FileVariable = variablePrefix + "CONFIG"
)

// serviceLink matches the variables that Kubernetes sets in each container for
// a Service whose name begins with fsproxy. They are not ours and must not
// keep fsproxy from starting. PORT alone is such a variable only if its value
// is a URL, since FSPROXY_ADMIN_PORT=9190 is rather someone's mistake.
var (
	serviceLink     = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	serviceLinkPort = regexp.MustCompile(`_PORT=(tcp|udp|sctp)://`)
)

// readEnvironment takes the options from name=value pairs; each variable with
// our prefix that is none of them is a problem. An empty value is a value.
func readEnvironment(environ []string, options []Option) (layer, []error) {
	names := make(map[string]Option, len(options))
	candidates := []string{FileVariable}
	for _, o := range options {
		names[o.Variable()] = o
		candidates = append(candidates, o.Variable())
	}
	found, problems := newLayer(), []error(nil)
	for _, pair := range slices.Sorted(slices.Values(environ)) {
		name, value, _ := strings.Cut(pair, "=")
		origin := Origin{source: fromEnvironment, name: name}
		o, known := names[name]
		switch {
		case known:
			given, wrong := o.readText(value, origin)
			maps.Copy(found.values, given.values)
			maps.Copy(found.origins, given.origins)
			problems = append(problems, wrong...)
		case !strings.HasPrefix(name, variablePrefix), name == FileVariable, name == TokenVariable, isServiceLink(name, pair):
		default:
			reason := "unknown option" + suggest(name, "_", candidates) + "; accepted: the variables that `fsproxy serve --help` lists"
			problems = append(problems, newProblem(name, value, reason, origin))
		}
	}
	return found, problems
}

func isServiceLink(name, pair string) bool {
	return serviceLink.MatchString(name) || serviceLinkPort.MatchString(pair)
}
