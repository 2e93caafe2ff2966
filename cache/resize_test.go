package cache

import (
	"fmt"
	"testing"

	"github.com/fsproxy/fsproxy/resp"
)

func TestALowerBoundEvictsAndShowsInTheStats(t *testing.T) {
	c, err := New(Config{MaxBytes: 1 << 24, MaxAge: 1e9, NegativeMaxAge: 1e9, Shards: 2, MaxRowBytes: 1 << 16, MaxFeatures: 8, MaxProjections: 8, MaxLayouts: 8}, NewClock())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := c.Projection([]byte("$1\r\nf\r\n"), [][]byte{[]byte("f")})
	for i := range 2000 {
		c.Fill(fmt.Appendf(nil, "e%d", i), &Fetched{Projection: p, Positions: []int32{0}, Frame: []byte("$1\r\nv\r\n"), Ends: []int{0, 7}, Began: 1}, resp.V2)
	}
	before := c.Stats()
	const lower = 40_000
	c.SetMaxBytes(lower)
	after := c.Stats()
	if before.Rows != 2000 || before.Bytes <= lower {
		t.Fatalf("the rows before take %d bytes: the test shows nothing", before.Bytes)
	}
	if after.MaxBytes != lower || after.Bytes > lower || after.Evictions == 0 {
		t.Errorf("after the bound was lowered to %d: %+v", lower, after)
	}
}
