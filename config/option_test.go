package config

import (
	"reflect"
	"strings"
	"testing"
)

func TestEveryOptionHasAMeaningAndADefaultThatItsFormAccepts(t *testing.T) {
	for _, o := range Options() {
		if o.Key == "" || o.Meaning == "" || o.Form.Kind == "" || o.Form.Accepted == "" {
			t.Errorf("option %q lacks a meaning, kind or accepted values: %+v", o.Key, o)
		}
		if strings.HasSuffix(o.Meaning, ".") {
			t.Errorf("%s: the meaning ends in a stop, which the printers add", o.Key)
		}
		if _, faults := o.read(o.split(o.Default)); len(faults) > 0 {
			t.Errorf("%s: its default %q is not accepted: %v", o.Key, o.Default, faults)
		}
	}
}

func TestNamesOfOptionsAreUnique(t *testing.T) {
	seen := map[string]string{FileVariable: "the configuration file"}
	for _, o := range Options() {
		for _, name := range []string{o.Key, o.Variable(), "--" + o.Flag} {
			if other, twice := seen[name]; twice && name != "--" {
				t.Errorf("%s and %s are both called %s", o.Key, other, name)
			}
			seen[name] = o.Key
		}
	}
}

func TestNoOptionIsMistakenForAServiceLink(t *testing.T) {
	for _, o := range Options() {
		if isServiceLink(o.Variable(), o.Variable()+"=1") {
			t.Errorf("%s would be ignored as a variable of Kubernetes", o.Variable())
		}
	}
}

// fieldKeys lists the dotted keys of a Config type's leaves.
func fieldKeys(section reflect.Type, prefix string) []string {
	var keys []string
	for i := range section.NumField() {
		field := section.Field(i)
		name, tagged := field.Tag.Lookup("mapstructure")
		switch {
		case !tagged:
		case field.Type.Kind() == reflect.Struct:
			keys = append(keys, fieldKeys(field.Type, prefix+name+".")...)
		default:
			keys = append(keys, prefix+name)
		}
	}
	return keys
}

func TestTableAndConfigTypeHoldTheSameOptionsInTheSameOrder(t *testing.T) {
	var table []string
	for _, o := range Options() {
		table = append(table, o.Key)
	}
	if fields := fieldKeys(reflect.TypeFor[Config](), ""); !reflect.DeepEqual(fields, table) {
		t.Errorf("fields %v\ntable  %v", fields, table)
	}
}

func TestDefaultsAreThoseOfTheOptionTree(t *testing.T) {
	cfg := Default()
	if got := cfg.Listeners; len(got) != 1 || got[0].Address != "127.0.0.1:6379" {
		t.Errorf("listeners = %v", got)
	}
	for key, want := range map[string]string{
		"mode": "live", "upstream.discovery": "auto", "upstream.addresses": "127.0.0.1:6380",
		"upstream.connect_timeout": "300ms", "upstream.fetch_timeout": "50ms", "upstream.connections": "2",
		"upstream.refresh_interval": "30s", "upstream.max_in_flight": "4096", "upstream.hedge_budget": "5",
		"upstream.slow_start": "10s", "upstream.client_id": "", "upstream.zone": "", "upstream.topology_patience": "1m", "upstream.stale_if_error": "0s", "features_file": "", "cache.max_bytes": "0", "cache.max_age": "1h",
		"cache.negative_max_age": "5m", "cache.shards": "0", "cache.max_row_bytes": "1MiB",
		"cache.max_features": "65536", "cache.max_projections": "4096", "cache.max_layouts": "16384",
		"cache.write_settle": "1s", "limits.max_clients": "10000", "limits.max_arguments": "1048576",
		"limits.max_bulk_bytes": "64MiB", "limits.max_inline_bytes": "64KiB", "limits.max_request_bytes": "128MiB",
		"limits.max_output_bytes": "64MiB", "limits.max_in_flight": "1024", "admin.address": "127.0.0.1:9190",
		"admin.token_file": "", "admin.hosts": "", "metrics.features": "20",
		"rollout.rules": "", "rollout.workers": "2", "rollout.queue": "4096", "rollout.patience": "0s",
		"rollout.differences": "1000", "rollout.log": "", "rollout.log_values": "false",
		"rollout.shadow.addresses": "", "rollout.shadow.discovery": "auto", "rollout.shadow.percent": "1", "rollout.shadow.settle": "5s",
		"log.level": "info", "log.format": "text", "drain_timeout": "10s",
		"warm.file": "", "warm.interval": "1m", "warm.max_bytes": "1GiB", "warm.save_timeout": "5s", "warm.load_timeout": "30s",
		"warm.peers": "", "warm.entities": "20000", "warm.rate": "2000", "warm.follow": "0s", "warm.rows": "false", "warm.readiness": "0s",
		"auth.mode": "none", "auth.password_file": "", "auth.cache_ttl": "1m", "auth.share_rows": "false",
	} {
		if got := cfg.text(key); got != want {
			t.Errorf("%s = %s, want %s", key, got, want)
		}
	}
}

func TestMarkdownAndHelpNameEveryOptionOnce(t *testing.T) {
	markdown, help := MarkdownTable(), HelpText()
	words := strings.Join(strings.Fields(help), " ")
	for _, o := range Options() {
		row, line := "| `"+o.Key+"` |", " "+o.Key+" ("+o.Variable()
		if len(o.Elements) > 0 {
			row = "| `" + o.Key + "[]." + o.Elements[0].Key + "` |"
		}
		if strings.Count(markdown, row) != 1 {
			t.Errorf("the Markdown table has %d rows for %s", strings.Count(markdown, row), o.Key)
		}
		if strings.Count(words, line+")")+strings.Count(words, line+", --") != 1 {
			t.Errorf("the help text has %d lines for %s", strings.Count(words, line), o.Key)
		}
	}
	for line := range strings.Lines(markdown) {
		if cells := strings.Count(line, "|") - strings.Count(line, `\|`); cells != 7 {
			t.Errorf("a row with %d bars: %s", cells, line)
		}
	}
	for line := range strings.Lines(help) {
		if len([]rune(line)) > helpWidth+1 {
			t.Errorf("a line of help too wide for a terminal: %s", line)
		}
	}
}
