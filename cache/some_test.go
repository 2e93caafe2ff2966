package cache

import (
	"fmt"
	"testing"

	"github.com/fsproxy/fsproxy/resp"
)

func TestSomeGivesDistinctHeldEntitiesAndNoMoreThanAsked(t *testing.T) {
	c, err := New(Config{MaxBytes: 1 << 24, MaxAge: 1e9, NegativeMaxAge: 1e9, Shards: 4, MaxRowBytes: 1 << 16, MaxFeatures: 8, MaxProjections: 8, MaxLayouts: 8}, NewClock())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := c.Projection([]byte("$1\r\nf\r\n"), [][]byte{[]byte("f")})
	const held = 400
	for i := range held {
		c.Fill(fmt.Appendf(nil, "e%d", i), &Fetched{Projection: p, Positions: []int32{0}, Frame: []byte("$1\r\nv\r\n"), Ends: []int{0, 7}, Began: 1}, resp.V2)
	}
	for n, most := range map[int]int{10: 10, 100: 100, 4 * held: held} {
		seen := map[string]bool{}
		for _, entity := range c.Some(n) {
			if _, ok := c.Look(entity, 1); !ok || seen[string(entity)] {
				t.Errorf("%q is not held, or came twice", entity)
			}
			seen[string(entity)] = true
		}
		if len(seen) > most || len(seen) < most/2 {
			t.Errorf("asked for %d of %d, got %d", n, held, len(seen))
		}
	}
}
