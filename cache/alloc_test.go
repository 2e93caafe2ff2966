package cache

import (
	"testing"

	"github.com/fsproxy/fsproxy/resp"
)

func TestAHitAllocatesNothing(t *testing.T) {
	r := newRig(t, roomy)
	list := names(50)
	own, other, permuted := r.mustProject(list...), r.mustProject("a", "b"), r.mustProject(list[30], list[2], list[31], list[2])
	values := sixBytes(50)
	values[2], values[30] = "", ""
	r.fillAll("e1", own, 1, values...)
	r.fillAll("e2", own, 1, values...)
	r.fillAll("e2", other, 1, "1", "2")
	r.at(5)
	r.Mark(cover(list[49]))
	r.fill("e1", own, 6, []int32{49}, "6")
	r.fill("e2", own, 6, []int32{49}, "6")
	out := make([]byte, 0, 4096)
	missing := make([]int32, 0, 64)
	for _, entity := range [][]byte{[]byte("e1"), []byte("e2"), []byte("e3")} {
		for _, p := range []*Projection{own, permuted, other} {
			n := testing.AllocsPerRun(200, func() {
				f := r.Lookup(entity, p, 6)
				if f.Complete {
					out = f.Append(out[:0], resp.V2)
					out = f.Append(out[:0], resp.V3)
				}
				missing, _ = f.Missing(missing[:0], p, 6)
			})
			if n != 0 {
				t.Errorf("%s, %d fields: %v allocations", entity, p.Len(), n)
			}
		}
	}
}
