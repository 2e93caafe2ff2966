package cache

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/feature/codec"
)

var decodedView = View{Decoded: true}

// decodes has all features be of one form.
func decodes(form codec.Form) func(string) Policy {
	return decodesEach(func(string) *feature.Definition { return &feature.Definition{Form: form} })
}

func decodesEach(definition func(string) *feature.Definition) func(string) Policy {
	return func(name string) Policy {
		return Policy{MaxAge: roomy.MaxAge, NegativeMaxAge: roomy.NegativeMaxAge, Keep: true, Definition: definition(name)}
	}
}

// listed has features be of the form that their name begins with.
var listed = decodesEach(func(name string) *feature.Definition {
	kind, _, _ := strings.Cut(name, "-")
	d, ok := map[string]feature.Definition{
		"float":  {Form: codec.Form{Type: codec.Float, Encoding: codec.Text}, Default: []byte("0.5")},
		"int":    {Form: codec.Form{Type: codec.Int, Encoding: codec.Text}},
		"bool":   {Form: codec.Form{Type: codec.Bool, Encoding: codec.Text}},
		"string": {Form: codec.Form{Type: codec.String, Encoding: codec.Text}, Default: []byte("none")},
		"emb":    {Form: codec.Form{Type: codec.Embedding, Encoding: codec.Protobuf, Dimension: 2}, Default: make([]byte, 8)},
		"ints":   {Form: codec.Form{Type: codec.IntList, Encoding: codec.SnappyProtobuf}, Default: []byte{}},
		"words":  {Form: codec.Form{Type: codec.StringList, Encoding: codec.Protobuf}},
		"pf":     {Form: codec.Form{Type: codec.Float, Encoding: codec.Protobuf}},
		"feast":  {Form: codec.Form{Type: codec.Int, Encoding: codec.Feast}},
		"blob":   {Form: codec.Form{Type: codec.Bytes, Encoding: codec.Snappy}},
	}[kind]
	if !ok {
		return nil
	}
	return &d
})

func newDecodingRig(t testing.TB) rig {
	cfg := roomy
	cfg.Decodes, cfg.Policy = true, listed
	cfg.StaleWhileRevalidate, cfg.StaleIfError = time.Minute, time.Minute
	return newRig(t, cfg)
}

func (r rig) projectIn(view View, names ...string) *Projection {
	var wire []byte
	fields := make([][]byte, len(names))
	for i, name := range names {
		fields[i] = []byte(name)
		wire = appendBulk(wire, name)
	}
	return r.ProjectionIn(view, wire, fields)
}

func (r rig) mustProjectIn(view View, names ...string) *Projection {
	r.t.Helper()
	p := r.projectIn(view, names...)
	if p == nil {
		r.t.Fatal("refused")
	}
	return p
}

// encoded is a decoded value as the store has it.
func encoded(t testing.TB, name, decoded string) string {
	t.Helper()
	value, err := listed(name).Definition.Encode(nil, []byte(decoded))
	if err != nil {
		t.Fatal(err)
	}
	return string(value)
}

func packedInts(list ...int64) string {
	var b []byte
	for _, x := range list {
		b = binary.LittleEndian.AppendUint64(b, uint64(x))
	}
	return string(b)
}

const embedded = "\x00\x00\x80\x3f\x00\x00\x00\x40" // 1, 2

// nullOfFeast is an empty Value, Feast's null.
var nullOfFeast = []byte{0x98, 0x01, 0x00}

func (r rig) rowOf(entity string) row {
	e, _ := r.shard(r.Cache.hash([]byte(entity))).GetEntryQuietly(entity)
	return e.Value
}
