package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"
)

// Sources is where values come from, besides the defaults of the table. Any of
// them may be left out.
type Sources struct {
	File    string         // path of a YAML file
	Environ []string       // name=value, as os.Environ gives it
	Flags   *pflag.FlagSet // parsed, made by AddFlags; only flags that were given count
}

// AddFlags gives flags the options that have one.
func AddFlags(flags *pflag.FlagSet) {
	for _, o := range Options() {
		switch {
		case o.Flag == "":
		case o.Form.List:
			flags.StringSlice(o.Flag, strings.Split(o.Default, ","), o.flagUsage())
		default:
			flags.String(o.Flag, o.Default, o.flagUsage())
		}
	}
}

// flagUsage is the first clause of the meaning; the list of options below the
// flags has the rest.
func (o Option) flagUsage() string {
	clause := o.Meaning
	if end := strings.IndexAny(clause, ":;"); end >= 0 {
		clause = clause[:end]
	}
	return clause + " (" + o.Key + ")"
}

// Load joins the sources into a Config: flag before environment before file
// before default. Its error joins one [Problem] for everything that is wrong.
func Load(src Sources) (*Config, error) {
	l := &loader{
		options: Options(),
		viper:   viper.New(),
		config:  &Config{origins: map[string]Origin{}},
		faulty:  map[string]bool{},
	}
	if err := l.collect(src); err != nil {
		return nil, err
	}
	l.read()
	if err := l.viper.UnmarshalExact(l.config, strictly); err != nil {
		return nil, fmt.Errorf("the option table and the Config type differ: %w", err)
	}
	l.noteFiles()
	l.validate()
	if len(l.problems) > 0 {
		return nil, errors.Join(l.problems...)
	}
	return l.config, nil
}

// loader is the state of one Load.
type loader struct {
	options  []Option
	viper    *viper.Viper
	config   *Config
	problems []error
	faulty   map[string]bool // options with a problem of their own, left out of cross-checks
}

// layer is what one source gives: values by dotted key in the shapes of
// Option.split, and where each was found.
type layer struct {
	values  map[string]any
	origins map[string]Origin
}

func newLayer() layer {
	return layer{values: map[string]any{}, origins: map[string]Origin{}}
}

// collect fills viper and the origins. It fails only if the file cannot be
// read at all; what is wrong inside the sources becomes problems.
func (l *loader) collect(src Sources) error {
	for _, o := range l.options {
		l.viper.SetDefault(o.Key, o.split(o.Default))
	}
	file, problems, err := readFile(src.File, l.options)
	if err != nil {
		return err
	}
	l.problems = append(l.problems, problems...)
	for _, p := range problems {
		l.markFaulty(p)
	}
	environment, problems := readEnvironment(src.Environ, l.options)
	l.problems = append(l.problems, problems...)
	// Merged later wins, so the environment goes over the file.
	for _, from := range []layer{file, environment} {
		if err := l.viper.MergeConfigMap(nest(from.values)); err != nil {
			return fmt.Errorf("merging options: %w", err)
		}
		for key := range from.values {
			l.setOrigin(key, from.origins)
		}
	}
	return l.bindFlags(src.Flags)
}

// setOrigin replaces the origins of an option and of its elements.
func (l *loader) setOrigin(key string, origins map[string]Origin) {
	for old := range l.config.origins {
		if strings.HasPrefix(old, key+"[") {
			delete(l.config.origins, old)
		}
	}
	for k, origin := range origins {
		if k == key || strings.HasPrefix(k, key+"[") {
			l.config.origins[k] = origin
		}
	}
}

func (l *loader) bindFlags(flags *pflag.FlagSet) error {
	if flags == nil {
		return nil
	}
	for _, o := range l.options {
		f := flags.Lookup(o.Flag)
		if o.Flag == "" || f == nil || !f.Changed {
			continue
		}
		if err := l.viper.BindPFlag(o.Key, f); err != nil {
			return fmt.Errorf("binding flag --%s: %w", o.Flag, err)
		}
		l.setOrigin(o.Key, map[string]Origin{o.Key: {source: fromFlag, name: o.Flag}})
	}
	return nil
}

// read turns each option's text into its value. Whatever cannot be read gets
// its default instead, so that the rest can still be checked.
func (l *loader) read() {
	for _, o := range l.options {
		raw := l.viper.Get(o.Key)
		if elements, isList := raw.([]string); isList && l.config.origins[o.Key].source == fromFlag {
			raw = o.sections(trimmed(elements))
		}
		before := len(l.problems)
		value := l.value(o, o.Key, raw)
		if len(l.problems) > before {
			l.faulty[o.Key] = true
			value, _ = o.read(o.split(o.Default))
		}
		l.viper.Set(o.Key, value)
	}
}

// markFaulty leaves the option of a problem in the file out of cross-checks.
func (l *loader) markFaulty(err error) {
	var p *Problem
	if errors.As(err, &p) {
		key, _, _ := strings.Cut(p.Key, "[")
		l.faulty[key] = true
	}
}

// value reads raw, and adds a problem for each part of it that is malformed.
func (l *loader) value(o Option, key string, raw any) any {
	value, faults := o.read(raw)
	for _, f := range faults {
		l.problems = append(l.problems, newProblem(key+f.part, f.text, f.reason, l.config.origin(key+f.part)))
	}
	return value
}

// origin of a key, of the list that it is an element of, or the default.
func (c *Config) origin(key string) Origin {
	for {
		if o, found := c.origins[key]; found {
			return o
		}
		cut := strings.LastIndexByte(key, '[')
		if cut < 0 {
			return Origin{}
		}
		key = key[:cut]
	}
}

// strictly refuses keys without a field, fields without a key and values of
// another type: the table and the Config type must be one.
func strictly(d *viperDecoder) {
	d.ErrorUnused = true
	d.ErrorUnset = true
	d.IgnoreUntaggedFields = true // what Load adds by itself
	d.WeaklyTypedInput = false
	d.DecodeHook = nil
}

// nest makes dotted keys the nested maps that viper merges.
func nest(values map[string]any) map[string]any {
	root := map[string]any{}
	for key, value := range values {
		parts := strings.Split(key, ".")
		section := root
		for _, p := range parts[:len(parts)-1] {
			inner, found := section[p].(map[string]any)
			if !found {
				inner = map[string]any{}
				section[p] = inner
			}
			section = inner
		}
		section[parts[len(parts)-1]] = value
	}
	return root
}
