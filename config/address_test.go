package config

import (
	"strings"
	"testing"
)

func TestListenersTakeLoopbackAndUnixSockets(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:6379":                      "tcp 127.0.0.1:6379",
		"127.8.9.1:0":                         "tcp 127.8.9.1:0",
		"[::1]:6379":                          "tcp [::1]:6379",
		"[::ffff:127.0.0.1]:1":                "tcp [::ffff:127.0.0.1]:1",
		"LocalHost:6379":                      "tcp LocalHost:6379",
		"unix:///run/fsproxy.sock":            "unix /run/fsproxy.sock",
		"unix:///" + strings.Repeat("a", 106): "unix /" + strings.Repeat("a", 106),
	} {
		cfg, err := Load(Sources{Environ: []string{"FSPROXY_LISTENERS=" + address}})
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		if network, endpoint := cfg.Listeners[0].Endpoint(); network+" "+endpoint != want {
			t.Errorf("%s is %s %s, want %s", address, network, endpoint, want)
		}
	}
}

func TestListenersRefuseWhatOtherMachinesReach(t *testing.T) {
	for _, address := range []string{
		":1", "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[fe80::1%lo]:1", "localhost.example.com:1", "127.0.0.1.example.com:1",
		"unix://@abstract", "unix:/run/a", "tcp://127.0.0.1:1", "127.0.0.1:redis", "127.0.0.1:-1", "[127.0.0.1:1", "::1:1",
	} {
		if cfg, err := Load(Sources{Environ: []string{"FSPROXY_LISTENERS=" + address}}); err == nil {
			t.Errorf("%s is accepted: %v", address, cfg.Listeners)
		}
	}
}

func TestUpstreamTakesAnyHost(t *testing.T) {
	addresses := "store:6379,store.ns.svc.cluster.local.:6379,10.0.0.1:1,[2001:db8::1]:1,my_store:1"
	if _, err := Load(Sources{Environ: []string{"FSPROXY_UPSTREAM_ADDRESSES=" + addresses}}); err != nil {
		t.Error(err)
	}
}

func TestSeveralListenersMayTakeFreePorts(t *testing.T) {
	cfg, err := Load(Sources{Environ: []string{"FSPROXY_LISTENERS=127.0.0.1:0,127.0.0.1:0", "FSPROXY_ADMIN_ADDRESS=127.0.0.1:0"}})
	if err != nil || len(cfg.Listeners) != 2 {
		t.Error(err)
	}
}

func TestAdminMayBindAllInterfacesOrNone(t *testing.T) {
	for _, address := range []string{":9190", "0.0.0.0:9190", "[::]:9190", "10.0.0.1:9190", ""} {
		if cfg, err := Load(Sources{Environ: []string{"FSPROXY_ADMIN_ADDRESS=" + address}}); err != nil || cfg.Admin.Address != address {
			t.Errorf("%q: %v", address, err)
		}
	}
}
