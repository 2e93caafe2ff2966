//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// wantMetric waits until a metric with such a label's value, if any, has value.
func (p *proxy) wantMetric(t *testing.T, name, label, labelValue string, value float64) {
	t.Helper()
	eventually(t, name+" "+labelValue, func() error {
		for _, s := range p.samples(t) {
			if s.name == name && s.labels[label] == labelValue {
				if s.value == value {
					return nil
				}
				return fmt.Errorf("it is %v", s.value)
			}
		}
		return fmt.Errorf("it is not there")
	})
}

func TestAChangedFileIsTakenOverAndABadOneIsNot(t *testing.T) {
	p := &proxy{addr: loopback(freePort(t)), admin: loopback(freePort(t))}
	file := filepath.Join(t.TempDir(), "fsproxy.yaml")
	write := func(options string) {
		t.Helper()
		text := fmt.Sprintf("listeners: [{address: %q}]\nadmin: {address: %q}\nupstream: {addresses: [%q]}\n%s\n", p.addr, p.admin, loopback(1), options)
		// As editors do: another file takes the place.
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	write("mode: live")
	p.process = startProcess(t, fsproxyBinary, "serve", "--config", file)
	p.waitReady(t)
	p.wantMetric(t, "fsproxy_mode", "mode", "live", 1)
	write("mode: off")
	p.wantMetric(t, "fsproxy_mode", "mode", "off", 1)
	write("mode: sideways")
	p.wantMetric(t, "fsproxy_config_last_reload_successful", "", "", 0)
	p.wantMetric(t, "fsproxy_mode", "mode", "off", 1)
	write("mode: live\nrollout: {workers: 3}")
	p.wantMetric(t, "fsproxy_config_last_reload_successful", "", "", 1)
	p.wantMetric(t, "fsproxy_mode", "mode", "live", 1)
	p.wantMetric(t, "fsproxy_config_restart_needed", "", "", 1)
}
