package proxy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fsproxy/fsproxy/cache"
	"github.com/fsproxy/fsproxy/feature"
	"github.com/fsproxy/fsproxy/resp"
)

// BenchmarkFeaturesGet is a read by name of ten features, one of them an embedding
// of 128 floats and one a list of 20 ints, all in memory, to a client of version 3.
func BenchmarkFeaturesGet(b *testing.B) {
	text := "scheme: name\nfeatures:\n  - {name: f0, type: embedding, dimension: 128}\n  - {name: f1, type: int_list}\n"
	for i := 2; i < 10; i++ {
		text += fmt.Sprintf("  - {name: f%d, type: float}\n", i)
	}
	catalogue, err := feature.Parse("features.yaml", []byte(text))
	if err != nil {
		b.Fatal(err)
	}
	c := newBenchClient(b, noStore, time.Hour)
	c.server.cfg.Catalogue = func() *feature.Catalogue { return catalogue }
	held := c.server.cache
	held.Repolicy(func(field string) cache.Policy {
		return cache.Policy{MaxAge: time.Hour, NegativeMaxAge: time.Hour, Keep: true, Definition: catalogue.Lookup(field)}
	})
	c.session.Proto = resp.V3
	var names, values []string
	for _, d := range catalogue.Features() {
		list := make([]string, max(d.Dimension, 20))
		for i := range list {
			list[i] = fmt.Sprint(1000 + i)
			if d.Dimension > 0 {
				list[i] = fmt.Sprintf("0.%d", 12345+i)
			}
		}
		raw := "0.1234"
		if d.ElementBytes() > 0 {
			raw = "[" + strings.Join(list, ",") + "]"
		}
		stored, err := d.EncodeJSON(nil, []byte(raw))
		if err != nil {
			b.Fatal(err)
		}
		names, values = append(names, d.Name), append(values, string(stored))
	}
	fill(c, "st_1", names, values)
	request := resp.AppendCommand(nil, append([]string{"FEATURES.GET", "st_1"}, names...)...)
	b.ReportAllocs()
	for b.Loop() {
		feed(b, c, request)
	}
}
