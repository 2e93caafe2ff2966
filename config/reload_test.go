package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// other changes a value to another of its type.
func other(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
	case reflect.Slice:
		v.Set(reflect.Append(slicesClone(v), reflect.Zero(v.Type().Elem())))
	default:
		v.SetInt(v.Int() + 1)
	}
}

func slicesClone(v reflect.Value) reflect.Value {
	return reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, v.Len()), v)
}

// full is a configuration with an element in each list of sections.
func full() *Config {
	cfg := Default()
	cfg.Invalidation.Kafka.Topics = []Topic{{Name: "t"}}
	cfg.Rollout.Rules = []Rule{{Name: "r"}}
	return cfg
}

// Whatever changes is named, as what was taken over or as what needs a restart, and
// only what was taken over is in force.
func TestEveryOptionThatChangesIsNamedAndTakenOverIfItSaysSo(t *testing.T) {
	check := func(key, named string, reloadable bool, change func(later *Config)) {
		t.Helper()
		before, later := full(), full()
		change(later)
		changed, restart := Changes(before, later)
		if got := slices.Concat(changed, restart); !slices.Equal(got, []string{named}) || (len(changed) == 1) != reloadable {
			t.Errorf("%s, reloadable %v: changed %v, restart %v", key, reloadable, changed, restart)
		}
		now := before.TakeOver(later)
		if taken := reflect.DeepEqual(now.field(key).Interface(), later.field(key).Interface()); taken != reloadable {
			t.Errorf("%s: taken over %v", key, taken)
		}
		if !reflect.DeepEqual(before.field(key).Interface(), full().field(key).Interface()) {
			t.Errorf("%s: what was in force was changed", key)
		}
		if _, restart := Changes(now, later); reloadable == (len(restart) > 0) {
			t.Errorf("%s: the next reading names %v", key, restart)
		}
	}
	for _, o := range Options() {
		if !o.hasReloadableElements() {
			check(o.Key, o.Key, o.Reloadable, func(later *Config) { other(later.field(o.Key)) })
			continue
		}
		check(o.Key, o.Key, false, func(later *Config) { other(later.field(o.Key)) })
		for i, e := range o.Elements {
			key, named := elementKey(o, 0, e), elementKey(o, 0, e)
			if i == 0 {
				named = o.Key // it is another element
			}
			check(key, named, e.Reloadable, func(later *Config) { other(later.field(key)) })
		}
	}
}

// A password must not be taken over by those who are asked for none, or the other
// way round: without its mode it means something else.
func TestAnOptionBesideOneThatNeedsARestartNeedsOneToo(t *testing.T) {
	password := writeFile(t, "password", "secret")
	before := loadText(t, "auth: {mode: password, password_file: "+password+"}\nupstream: {username: u, password_file: "+password+"}\n")
	later := loadText(t, "auth: {mode: none}\n")
	changed, restart := Changes(before, later)
	if len(changed) > 0 || len(restart) != 4 {
		t.Errorf("changed %v, restart %v", changed, restart)
	}
	now := before.TakeOver(later)
	if got, given := now.Auth.Password(); !given || got != "secret" || now.Auth.Mode != AuthPassword {
		t.Errorf("clients are asked for %q in mode %s", got, now.Auth.Mode)
	}
	if got, given := now.Upstream.Password(); !given || got != "secret" {
		t.Errorf("the store is told %q", got)
	}
}

func TestOptionsOfOtherElementsAreNotTakenOver(t *testing.T) {
	before := loadText(t, "invalidation: {kafka: {brokers: ['b:1'], topics: [{name: a, max_lag: 1m}, {name: b}]}}\n")
	later := loadText(t, "invalidation: {kafka: {brokers: ['b:1'], topics: [{name: b, max_lag: 2m}, {name: a}]}}\n")
	if changed, restart := Changes(before, later); len(changed) > 0 || !slices.Equal(restart, []string{"invalidation.kafka.topics"}) {
		t.Errorf("changed %v, restart %v", changed, restart)
	}
	if now := before.TakeOver(later); now.Invalidation.Kafka.Topics[0].MaxLag != time.Minute {
		t.Errorf("topics %+v", now.Invalidation.Kafka.Topics)
	}
}

// A Secret that rotates changes what is in a file, not its name.
func TestOtherContentsOfAFileAreAChangeOfItsOption(t *testing.T) {
	certificate, key := selfSigned(t)
	renewed, renewedKey := selfSigned(t)
	password := writeFile(t, "password", "secret")
	text := strings.ReplaceAll(`
listeners: [{address: "127.0.0.1:1", tls: {cert_file: CERT, key_file: KEY, client_ca_file: CERT}}]
upstream: {password_file: PASSWORD, tls: {enabled: true, ca_file: CERT, cert_file: CERT, key_file: KEY}}
invalidation: {kafka: {brokers: ["b:1"], topics: [{name: t}], tls: {enabled: true, ca_file: CERT}, sasl: {mechanism: plain, username: u, password_file: PASSWORD}}}
`, "CERT", certificate)
	text = strings.ReplaceAll(strings.ReplaceAll(text, "KEY", key), "PASSWORD", password)
	before := loadText(t, text)
	copyFile(t, renewed, certificate)
	copyFile(t, renewedKey, key)
	copyFile(t, writeFile(t, "other", "another"), password)
	later := loadText(t, text)
	changed, restart := Changes(before, later)
	want := []string{
		"listeners[0].tls.cert_file", "listeners[0].tls.key_file", "listeners[0].tls.client_ca_file", "upstream.password_file",
		"upstream.tls.ca_file", "upstream.tls.cert_file", "upstream.tls.key_file", "invalidation.kafka.tls.ca_file", "invalidation.kafka.sasl.password_file",
	}
	if !slices.Equal(changed, want) || len(restart) > 0 {
		t.Errorf("changed %v, restart %v", changed, restart)
	}
	now := before.TakeOver(later)
	if again, _ := Changes(now, later); len(again) > 0 {
		t.Errorf("taken over, and changed still: %v", again)
	}
	if got, _ := now.Upstream.Password(); got != "another" {
		t.Errorf("the password is %q", got)
	}
	files := []string{certificate, key, password}
	slices.Sort(files)
	if got := now.Files(); !slices.Equal(got, files) {
		t.Errorf("files %v, want %v", got, files)
	}
}
