package client

import "testing"

func TestWildcardAddressesAreAskedOnLoopback(t *testing.T) {
	for host, want := range map[string]string{
		"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1", "10.0.0.1": "10.0.0.1", "store": "store",
	} {
		if got := Dialable(host); got != want {
			t.Errorf("%q is asked at %q, want %q", host, got, want)
		}
	}
}
