package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/config"
)

// identityOf is the identity of a configuration with a catalogue and more options.
func identityOf(t *testing.T, catalogue, more string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "features.yaml")
	if err := os.WriteFile(file, []byte(catalogue), 0o600); err != nil {
		t.Fatal(err)
	}
	return identity(loadText(t, fmt.Sprintf("upstream: {addresses: [\"store:6379\"]}\nfeatures_file: %q\n%s", file, more)))
}

// Whatever says how values are decoded, what covers them and whence they come is in
// the identity: rows of another are not taken over.
func TestTheIdentityNamesAllThatRowsDependOn(t *testing.T) {
	const plain = "scheme: name\nfeatures:\n- {name: a, type: int_list, encoding: raw}\n"
	same := identityOf(t, plain, "")
	if same != identityOf(t, plain, "admin: {address: \"\"}\nlisteners: [{address: \"127.0.0.1:0\", values: decoded}]\n") {
		t.Error("it depends on listeners, which change nothing of rows")
	}
	for name, other := range map[string][2]string{
		"type":      {"scheme: name\nfeatures:\n- {name: a, type: int, encoding: raw}\n", ""},
		"encoding":  {"scheme: name\nfeatures:\n- {name: a, type: int_list, encoding: protobuf}\n", ""},
		"bits":      {"scheme: name\nfeatures:\n- {name: a, type: int_list, encoding: raw, bits: 32}\n", ""},
		"dimension": {"scheme: name\nfeatures:\n- {name: a, type: int_list, encoding: raw, dimension: 4}\n", ""},
		"scheme":    {"scheme: xxhash32\nfeatures:\n- {name: a, type: int_list, encoding: raw}\n", ""},
		"age":       {"scheme: name\nfeatures:\n- {name: a, type: int_list, encoding: raw, max_age: 5m}\n", ""},
		"markers":   {plain, "invalidation: {markers: [{key: m}]}\n"},
		"settle":    {plain, "cache: {write_settle: 2s}\n"},
	} {
		if identityOf(t, other[0], other[1]) == same {
			t.Errorf("another %s, and the same identity", name)
		}
	}
}

// No scheme alone: a cover's names are other fields by another scheme, listed or not.
func TestTheSchemeIsInTheIdentityOfACatalogueOfNothing(t *testing.T) {
	if identityOf(t, "scheme: name\nfeatures: []\n", "") == identityOf(t, "scheme: xxhash32\nfeatures: []\n", "") {
		t.Error("the same identity under another scheme")
	}
}

func TestViewsAreThoseOfTheListeners(t *testing.T) {
	all := views([]config.Listener{{}, {Values: config.ValuesDecoded, Doubles: true}})
	for _, want := range []cache.View{{}, {Decoded: true}, {Decoded: true, Doubles: true}} {
		if !slices.Contains(all, want) {
			t.Errorf("%+v is not among %+v", want, all)
		}
	}
}
