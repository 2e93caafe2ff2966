package inject

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fsproxy/fsproxy/config"
)

// Names on Pods and namespaces. All that begins with the prefix is ours.
const (
	Prefix = "fsproxy.io/"

	// InjectLabel, "true" on a Pod or its namespace, asks for the sidecar;
	// "false" on either forbids it.
	InjectLabel = Prefix + "inject"

	// InjectedAnnotation marks a Pod that has the sidecar, with the injector's
	// version.
	InjectedAnnotation = Prefix + "injected"

	// RefusedAnnotation says why a Pod that asked did not get the sidecar.
	RefusedAnnotation = Prefix + "not-injected"
)

// wish is what is wanted for one Pod: the settings, and the sidecar's options
// as text by key.
type wish struct {
	settings
	options map[string]string
}

// readWish lays a Pod's annotations over the defaults. Its error names all that
// is wrong; warnings name what has no effect.
func (in *Injector) readWish(annotations object) (w wish, warnings []string, err error) {
	w = wish{settings: in.defaults, options: maps.Clone(in.options)}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(annotations)) {
		short, ours := strings.CutPrefix(name, Prefix)
		if !ours || slices.Contains([]string{InjectLabel, InjectedAnnotation, RefusedAnnotation}, name) {
			continue
		}
		value := strings.TrimSpace(text(annotations, name))
		known, fault := w.set(short, value)
		switch {
		case !known:
			warnings = append(warnings, unknownAnnotation(name, short))
		case fault != nil:
			problems = append(problems, fmt.Errorf("annotation %w", fault))
		}
		if short == "port" {
			w.portGiven = true
		}
	}
	problems = append(problems, w.settleUpstream(annotations), w.settleListeners(annotations))
	return w, warnings, errors.Join(problems...)
}

// set reads one setting or option; known is false where there is none of that
// name.
func (w *wish) set(name, value string) (known bool, fault error) {
	for _, row := range settingTable() {
		if row.name != name {
			continue
		}
		if err := row.read(&w.settings, value); err != nil {
			return true, fmt.Errorf("%s%s = %q: %w; accepted: %s", Prefix, name, value, err, row.accepted)
		}
		return true, nil
	}
	for _, o := range config.Options() {
		if o.Key != name {
			continue
		}
		if err := o.CheckText(value); err != nil {
			return true, annotated(err)
		}
		w.options[name] = value
		return true, nil
	}
	return false, nil
}

// annotated names the annotation in problems of the configuration, in place of
// where they say that the value is from.
func annotated(err error) error {
	var texts []string
	for _, e := range unjoin(err) {
		var p *config.Problem
		if errors.As(e, &p) {
			e = fmt.Errorf("%s%s = %q: %s", Prefix, p.Key, p.Value, p.Reason)
		}
		texts = append(texts, e.Error())
	}
	return errors.New(strings.Join(texts, "; "))
}

func unjoin(err error) []error {
	if joined, several := err.(interface{ Unwrap() []error }); several {
		return joined.Unwrap()
	}
	return []error{err}
}

// settleUpstream makes one of the two ways to name the store.
func (w *wish) settleUpstream(annotations object) error {
	given := text(annotations, Prefix+addressesKey) != ""
	w.upstreamGiven = given || w.upstream != ""
	if w.upstream == "" {
		return nil
	}
	if given {
		return fmt.Errorf("annotations %supstream and %s%s mean the same; accepted: one of them", Prefix, Prefix, addressesKey)
	}
	_, err := w.set(addressesKey, w.upstream)
	return err
}

// settleListeners lets the listeners be given whole, in place of port and
// socket. The port is then that of the first one that is not a Unix socket.
func (w *wish) settleListeners(annotations object) error {
	listeners, given := w.options["listeners"]
	if !given {
		return nil
	}
	if text(annotations, Prefix+"port") != "" || text(annotations, Prefix+"socket") != "" {
		return fmt.Errorf("annotation %slisteners beside %sport or %ssocket; accepted: either", Prefix, Prefix, Prefix)
	}
	w.port = 0
	for _, address := range fields(listeners, ",") {
		if port := portOf(address); port != 0 {
			w.port = port
			break
		}
	}
	return nil
}

func unknownAnnotation(name, short string) string {
	warning := name + " is no annotation of fsproxy's and has no effect"
	if near := config.Nearest(short, annotationNames()); near != "" {
		warning += "; did you mean " + Prefix + near + "?"
	}
	return warning
}

// annotationNames are all that a Pod may say, without the prefix.
func annotationNames() []string {
	names := []string{"inject"}
	for _, row := range settingTable() {
		names = append(names, row.name)
	}
	for _, o := range config.Options() {
		names = append(names, o.Key)
	}
	return names
}

// MarkdownTable is the table of annotations, for the documents: the settings,
// then the options of the sidecar.
func MarkdownTable() string {
	var out strings.Builder
	out.WriteString("| annotation | default | meaning | accepted | flag of `fsproxy inject` |\n| --- | --- | --- | --- | --- |\n")
	for _, row := range settingTable() {
		flag := ""
		if row.flag {
			flag = "`--" + row.name + "`"
		}
		fmt.Fprintf(&out, "| `%s%s` | %s | %s | %s | %s |\n", Prefix, row.name, code(row.initial), cell(row.meaning), cell(row.accepted), flag)
	}
	for _, o := range config.Options() {
		initial := o.Default
		if o.Key == adminKey {
			initial = adminAddress
		}
		fmt.Fprintf(&out, "| `%s%s` | %s | the option `%s` | | `--option %s=…` |\n", Prefix, o.Key, code(initial), o.Key, o.Key)
	}
	return out.String()
}

func code(text string) string {
	if text == "" {
		return "none"
	}
	return "`" + text + "`"
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
