//go:build e2e

package e2e

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/feature"
)

// decodedFeatures is a catalogue whose fields are names, so that tests can be
// read.
const decodedFeatures = `
scheme: name
features:
  - {name: eta, type: float, default: 0.5}
  - {name: emb, type: embedding, dimension: 2}
  - {name: stores, type: int_list}
  - {name: tags, type: string_list}
  - {name: open, type: bool}
  - {name: orders, type: int}
`

// decodedFleet is a proxy with two listeners before a store: p.addr is the
// decoded one.
type decodedFleet struct {
	*proxy
	stored string // address of the other listener
	store  *store
	file   string // the catalogue
}

func startDecoded(t *testing.T, options string) *decodedFleet {
	t.Helper()
	f := startDecodedWith(t, options, decodedFeatures, "")
	f.store.load(t, map[string]hash{"store:1": {
		"eta": "0.10", "open": "True",
		"emb":    encodedAs(t, "emb", packedFloats(1, -2)),
		"stores": encodedAs(t, "stores", packedInts(7, -8)),
		"tags":   encodedAs(t, "tags", "\x01\x00\x00\x00a\x02\x00\x00\x00bc"),
	}})
	return f
}

// startDecodedWith is startDecoded with another catalogue, further configuration,
// and nothing in the store.
func startDecodedWith(t *testing.T, options, catalogue, further string) *decodedFleet {
	t.Helper()
	f := &decodedFleet{
		proxy: &proxy{addr: loopback(freePort(t)), admin: loopback(freePort(t))}, stored: loopback(freePort(t)),
		store: startStore(t), file: filepath.Join(t.TempDir(), "features.yaml"),
	}
	f.write(t, catalogue)
	config := filepath.Join(t.TempDir(), "fsproxy.yaml")
	text := fmt.Sprintf("listeners:\n- {address: %q}\n- {address: %q, values: decoded%s}\nadmin: {address: %q}\nupstream: {addresses: [%q]}\nfeatures_file: %s\n%s",
		f.stored, f.addr, options, f.admin, f.store.addr, f.file, further)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f.process = startProcessWith(t, []string{slowMachine}, fsproxyBinary, "serve", "--config", config)
	f.waitReady(t)
	return f
}

// write puts a catalogue in the place of the one before, as editors do.
func (f *decodedFleet) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(f.file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(f.file+".new", f.file); err != nil {
		t.Fatal(err)
	}
}

func encodedAs(t *testing.T, name, decoded string) string {
	t.Helper()
	catalogue, err := feature.Parse("features.yaml", []byte(decodedFeatures))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := catalogue.Feature(name).Encode(nil, []byte(decoded))
	if err != nil {
		t.Fatal(err)
	}
	return string(stored)
}

func packedFloats(list ...float32) string {
	var b []byte
	for _, x := range list {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return string(b)
}

func packedInts(list ...int64) string {
	var b []byte
	for _, x := range list {
		b = binary.LittleEndian.AppendUint64(b, uint64(x))
	}
	return string(b)
}

// The examples that docs/FEATURES.md shows read what the contract says, twice:
// fetched, and from memory.
func TestExamplesReadDecodedValues(t *testing.T) {
	want := map[string]any{
		"eta": 0.1, "emb": []any{1.0, -2.0}, "stores": []any{7.0, -8.0}, "tags": []any{"a", "bc"}, "open": true, "orders": nil,
	}
	f := startDecoded(t, "")
	for name, example := range map[string]func(t *testing.T) driver{
		"python": func(t *testing.T) driver {
			d := currentPythonDriver(t)
			d.command[len(d.command)-1] = "decoded/python/decoded.py"
			return d
		},
		"node": func(t *testing.T) driver {
			d := nodeDriver(t)
			d.command[len(d.command)-1] = "decoded/node/decoded.mjs"
			return d
		},
		"java": func(t *testing.T) driver {
			return driver{command: []string{
				needProgram(t, "java"), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
				"-cp", filepath.Join(built(t, "java"), "lib", "*"), "decoded/java/Decoded.java",
			}}
		},
		"go": func(t *testing.T) driver {
			program := filepath.Join(t.TempDir(), "decoded")
			if out, err := exec.Command("go", "build", "-o", program, "./decoded/go").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			return driver{command: []string{program}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := example(t)
			for range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), driverTime)
				defer cancel()
				cmd := exec.CommandContext(ctx, d.command[0], append(d.command[1:], f.addr)...)
				cmd.Env = append(os.Environ(), d.environment...)
				var stderr strings.Builder
				cmd.Stderr = &stderr
				out, err := cmd.Output()
				var got map[string]any
				if err == nil {
					err = json.Unmarshal(out, &got)
				}
				if err != nil {
					t.Fatalf("%v: %q %s", err, out, stderr.String())
				}
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("read %v, want %v", got, want)
				}
			}
		})
	}
}

func TestListenersOfBothKindsShareMemory(t *testing.T) {
	f := startDecoded(t, ", lists: array, defaults: true, doubles: true")
	decoded, stored := dialWire(t, f.addr), dialWire(t, f.stored)
	read := []string{"HMGET", "store:1", "eta", "emb", "stores", "tags", "open", "orders"}
	want := "*6\r\n$3\r\n0.1\r\n" + bulks(packedFloats(1, -2))[4:] + "*2\r\n:7\r\n:-8\r\n*2\r\n$1\r\na\r\n$2\r\nbc\r\n$1\r\n1\r\n$-1\r\n"
	raw := bulks("0.10", encodedAs(t, "emb", packedFloats(1, -2)), encodedAs(t, "stores", packedInts(7, -8)),
		encodedAs(t, "tags", "\x01\x00\x00\x00a\x02\x00\x00\x00bc"), "True")
	raw = "*6" + raw[2:] + "$-1\r\n"
	for range 3 {
		if got := decoded.do(t, read...); got != want {
			t.Fatalf("decoded: %q, want %q", got, want)
		}
		if got := stored.do(t, read...); got != raw {
			t.Fatalf("stored: %q, want %q", got, raw)
		}
	}
	if got := decoded.do(t, "HMGET", "store:2", "eta", "orders"); got != "*2\r\n$3\r\n0.5\r\n$-1\r\n" {
		t.Errorf("a default: %q", got)
	}
	before := f.store.reads(t)
	for range 3 {
		decoded.do(t, read...)
		stored.do(t, read...)
	}
	if n := f.store.reads(t) - before; n != 0 {
		t.Errorf("the store was asked %d times for what is held", n)
	}
	for _, w := range []*wire{decoded, stored} {
		w.do(t, "HELLO", "3")
		got := w.do(t, "FEATURES.GET", "store:1", "eta", "stores", "open")
		if got != "%3\r\n$3\r\neta\r\n,0.1\r\n$6\r\nstores\r\n*2\r\n:7\r\n:-8\r\n$4\r\nopen\r\n#t\r\n" {
			t.Errorf("by name: %q", got)
		}
	}
	if got := decoded.do(t, "HGET", "store:1", "eta"); got != ",0.1\r\n" {
		t.Errorf("a double: %q", got)
	}
}

// A catalogue that changes holds for connections that are open, all of it or
// nothing; values that do not decode are counted, and served as stored.
func TestACatalogueIsReloaded(t *testing.T) {
	f := startDecoded(t, "")
	w := dialWire(t, f.addr)
	if got := w.do(t, "HGET", "store:1", "stores"); got != "$16\r\n"+packedInts(7, -8)+"\r\n" {
		t.Fatalf("%q", got)
	}
	f.write(t, strings.Replace(decodedFeatures, "type: int_list", "type: nonsense", 1))
	f.wantMetric(t, "fsproxy_config_last_reload_successful", "", "", 0)
	if got := w.do(t, "HGET", "store:1", "stores"); got != "$16\r\n"+packedInts(7, -8)+"\r\n" {
		t.Fatalf("after a bad catalogue: %q", got)
	}
	f.write(t, strings.Replace(decodedFeatures, "type: int_list", "type: float, encoding: text", 1))
	raw := encodedAs(t, "stores", packedInts(7, -8))
	eventually(t, "the new catalogue", func() error {
		if got := w.do(t, "HGET", "store:1", "stores"); got != fmt.Sprintf("$%d\r\n%s\r\n", len(raw), raw) {
			return fmt.Errorf("%q", got)
		}
		return nil
	})
	f.wantMetric(t, "fsproxy_feature_undecoded_total", "feature", "stores", 1)
}
