package inject

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fsproxy/fsproxy/config"
)

// Config is what an Injector does where a Pod says nothing else.
type Config struct {
	Version string // marks the Pods that were injected

	// WithoutNative tells that the cluster is older than native sidecars: it
	// would take one for an init container that never ends, and the Pod would
	// never start. Pods that want one are then refused.
	WithoutNative bool

	// Settings are texts by the names of [Flags], Options by the keys of
	// config.Options.
	Settings map[string]string
	Options  map[string]string
}

// Flag is a setting that the injector can be given a default for.
type Flag struct{ Name, Default, Meaning string }

// Flags are the settings that make sense for all Pods alike.
func Flags() (flags []Flag) {
	for _, row := range settingTable() {
		if row.flag {
			flags = append(flags, Flag{row.name, row.initial, row.meaning + " (" + row.accepted + ")"})
		}
	}
	return flags
}

// Injector changes Pods. It has no state: it may be used by many at a time.
type Injector struct {
	version       string
	withoutNative bool
	defaults      settings
	options       map[string]string
}

// New checks a configuration. Its error names all that is wrong.
func New(cfg Config) (*Injector, error) {
	w := wish{options: map[string]string{}}
	var problems []error
	for _, row := range settingTable() {
		value, given := cfg.Settings[row.name]
		if !given {
			value = row.initial
		}
		if value == "" {
			continue
		}
		if err := row.read(&w.settings, value); err != nil {
			problems = append(problems, fmt.Errorf("--%s %q: %w; accepted: %s", row.name, value, err, row.accepted))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(cfg.Options)) {
		if err := checkOption(key, cfg.Options[key]); err != nil {
			problems = append(problems, err)
		}
		w.options[key] = cfg.Options[key]
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return &Injector{version: cfg.Version, withoutNative: cfg.WithoutNative, defaults: w.settings, options: w.options}, nil
}

func checkOption(key, value string) error {
	var keys []string
	for _, o := range config.Options() {
		if o.Key == key {
			if err := o.CheckText(value); err != nil {
				return fmt.Errorf("--option %w", err)
			}
			return nil
		}
		keys = append(keys, o.Key)
	}
	hint := ""
	if near := config.Nearest(key, keys); near != "" {
		hint = "; did you mean " + near + "?"
	}
	return fmt.Errorf("--option %s: there is no such option%s", key, hint)
}

// Asker is who asks for the sidecar, besides the Pod itself.
type Asker int

// The askers.
const (
	ByPod       Asker = iota // the Pod has to ask itself
	ByNamespace              // its namespace asks: the Pod may only object
)

// Outcome is what became of a Pod.
type Outcome struct {
	// Pod is the Pod as it shall be. It shares nothing with the one given.
	Pod map[string]any

	// Injected tells that it got the sidecar. Otherwise Reason says why not,
	// and Refused that it asked for it and cannot have it.
	Injected bool
	Refused  bool
	Reason   string

	// Warnings are for whoever made the Pod.
	Warnings []string
}

// Inject decides on a Pod, or a template of Pods, as generic JSON.
func (in *Injector) Inject(original map[string]any, asker Asker) Outcome {
	p := pod{clone(original).(object)}
	if reason, warnings := p.uninvolved(asker); reason != "" {
		return Outcome{Pod: p.object, Reason: reason, Warnings: warnings}
	}
	warnings, err := in.change(p)
	if err == nil {
		return Outcome{Pod: p.object, Injected: true, Warnings: warnings}
	}
	reason := strings.ReplaceAll(err.Error(), "\n", "; ")
	p = pod{clone(original).(object)}
	p.annotate(RefusedAnnotation, reason)
	return Outcome{
		Pod: p.object, Refused: true, Reason: reason,
		Warnings: append(warnings, "fsproxy is not injected, the Pod uses its store directly: "+reason),
	}
}

// uninvolved says why the Pod is none of the injector's business, or "".
func (p pod) uninvolved(asker Asker) (reason string, warnings []string) {
	asked := asker == ByNamespace
	for _, where := range []object{p.labels(), p.annotations()} {
		switch value := text(where, InjectLabel); value {
		case "false":
			return "the Pod has " + InjectLabel + ": false", nil
		case "true":
			asked = true
		case "":
		default:
			return "unclear", []string{fmt.Sprintf("%s = %q: neither true nor false; fsproxy is not injected", InjectLabel, value)}
		}
	}
	switch {
	case !asked:
		return "nobody asks for it", nil
	case text(p.annotations(), "kubernetes.io/config.mirror") != "":
		return "the Pod mirrors one of a node's own", nil
	case text(p.annotations(), InjectedAnnotation) != "":
		return "the Pod has been injected already", p.staleMark()
	case p.isCopy():
		return "the Pod is a copy of one that was injected", nil
	}
	return "", nil
}

// isCopy tells whether the Pod has the sidecar without the mark, as copies that
// are made for debugging lose their annotations.
func (p pod) isCopy() bool {
	for _, c := range p.everyContainer() {
		if text(c, "name") != containerName {
			continue
		}
		for _, m := range elements(c, "volumeMounts") {
			if text(m, "name") == socketVolume {
				return true
			}
		}
	}
	return false
}

// staleMark warns where the mark has outlived what it marks, as when it was
// copied into a template.
func (p pod) staleMark() []string {
	for _, c := range p.everyContainer() {
		if text(c, "name") == containerName {
			return nil
		}
	}
	return []string{"the Pod has the annotation " + InjectedAnnotation + " and no container " + containerName + "; fsproxy is not injected until the annotation is removed"}
}

// change injects. Where it fails the Pod is spoilt.
func (in *Injector) change(p pod) (warnings []string, err error) {
	w, warnings, err := in.readWish(p.annotations())
	if err != nil {
		return warnings, err
	}
	if reason := p.refusal(w); reason != "" {
		return warnings, errors.New(reason)
	}
	if in.withoutNative && !w.ordinary {
		return warnings, fmt.Errorf("the cluster is older than native sidecars; accepted: %ssidecar: container, or the injector's --sidecar=container", Prefix)
	}
	if len(w.addressEnv) > 0 && w.port == 0 {
		return warnings, fmt.Errorf("%saddress-env needs a listener of a fixed TCP port, and %slisteners has none", Prefix, Prefix)
	}
	store, more, err := w.rewriteAddresses(p.served(w.ordinary))
	if err != nil {
		return warnings, err
	}
	warnings = append(warnings, more...)
	if err := w.checkStore(store); err != nil {
		return warnings, err
	}
	w.fill(store)
	more, err = w.check()
	if err != nil {
		return warnings, err
	}
	warnings = append(warnings, more...)
	if p.isGuaranteed() && w.cpuLimit.text == "" {
		warnings = append(warnings, "the Pod was of the quality class Guaranteed, and is not with a sidecar without a CPU limit; "+Prefix+"cpu and "+Prefix+"cpu-limit of the same value keep it so")
	}
	warnings = append(warnings, p.missing(w.containers)...)
	if warning := p.shortGrace(&w); warning != "" {
		warnings = append(warnings, warning)
	}
	in.install(p, &w)
	if reason := p.overBudget(); reason != "" {
		return warnings, errors.New(reason)
	}
	return warnings, nil
}

// checkStore wants to know where the store is, and how to be let in.
func (w *wish) checkStore(store storeAddress) error {
	if len(store.hosts) == 0 && w.options[addressesKey] == "" && w.config == "" {
		return fmt.Errorf("nothing says where the store is; accepted: %saddress-env, %supstream, or %sconfig", Prefix, Prefix, Prefix)
	}
	if store.user != "" && strings.Contains(store.user, ":") && w.options[passwordKey] == "" && w.config == "" {
		return fmt.Errorf("the store's address holds a password, which the sidecar has to be given in a file; accepted: %ssecret with %s%s, or %sconfig", Prefix, Prefix, passwordKey, Prefix)
	}
	return nil
}

// install changes all that has to be changed, besides the variables.
func (in *Injector) install(p pod, w *wish) {
	spec := p.spec()
	if containers := elements(spec, "containers"); w.ordinary && text(p.annotations(), defaultContainer) == "" {
		// The sidecar comes first, and kubectl logs shall still mean the application.
		p.annotate(defaultContainer, text(containers[0], "name"))
	}
	if w.socket {
		for _, c := range p.served(w.ordinary) {
			add(c, "volumeMounts", object{"name": socketVolume, "mountPath": socketFolder, "readOnly": true})
		}
	}
	p.insertContainer(w.container(), w.ordinary)
	add(spec, "volumes", w.volumes()...)
	if port := w.adminPort(); w.prometheus && port != 0 && w.isAdminOpen() {
		p.scraped(port)
	}
	p.annotate(InjectedAnnotation, in.version)
	delete(p.annotations(), RefusedAnnotation) // of the Pod that this was copied from
}

// defaultContainer names the container that kubectl means without one.
const defaultContainer = "kubectl.kubernetes.io/default-container"
