//go:build e2e

package e2e

import ("testing";"os";"slices")

func TestTmpBisect(t *testing.T) {
	names := commandNames(t, startContest(t, "0s"))
	seeds := []uint64{}
	for s := uint64(15); s <= 50; s++ { seeds = append(seeds, s) }
	all := map[uint64]sequence{}
	for _, s := range seeds { all[s] = generate(s, names) }
	n := 0
	fails := func(seqs []sequence) bool {
		n++
		ok := false
		t.Run("x", func(t *testing.T) {
			c := startContest(t, "0s")
			for i, s := range seqs {
				m, _ := c.run(s)
				if m != nil && i == len(seqs)-1 { ok = m.signature()[:5] == "HMGET" }
			}
		})
		return ok
	}
	var seqs []sequence
	for _, s := range seeds { seqs = append(seqs, all[s]) }
	t.Log(fails(seqs))
	for size := len(seqs)/2; size > 0; size /= 2 {
		for at := len(seqs)-1-size; at >= 0; at -= size {
			smaller := slices.Delete(slices.Clone(seqs), at, at+size)
			if fails(smaller) { seqs = smaller }
		}
	}
	t.Log("left", len(seqs), n)
	for i := range seqs {
		// leave turns out
		for size := len(seqs[i])/2; size > 0; size /= 2 {
			for at := len(seqs[i])-size; at >= 0; at -= size {
				if at+size > len(seqs[i]) { continue }
				smaller := slices.Clone(seqs)
				smaller[i] = slices.Delete(slices.Clone(seqs[i]), at, at+size)
				if fails(smaller) { seqs = smaller }
			}
		}
		for j := range seqs[i] {
			for at := len(seqs[i][j].asks)-1; at >= 0; at-- {
				smaller := slices.Clone(seqs)
				smaller[i] = slices.Clone(seqs[i])
				smaller[i][j].asks = slices.Delete(slices.Clone(seqs[i][j].asks), at, at+1)
				if fails(smaller) { seqs = smaller }
			}
		}
	}
	out := ""
	for _, s := range seqs { out += s.String() + "# ====== reset\n" }
	os.WriteFile("/tmp/bisect.txt", []byte(out), 0o644)
}
