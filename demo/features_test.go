package demo

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/fsproxy/fsproxy/feature"
)

func TestNoTwoFeaturesShareAField(t *testing.T) {
	names := make(map[string]string)
	for _, k := range newKinds() {
		for _, f := range k.features {
			if other, taken := names[f.ID]; taken {
				t.Errorf("%s and %s are both %s", f.Name, other, f.ID)
			}
			names[f.ID] = f.Name
			if f.ID != feature.ID(f.Name) {
				t.Errorf("%s is %s", f.Name, f.ID)
			}
		}
	}
	if names["3842923820"] != "daf_cs_p6m_consumer2vec_emb" {
		t.Errorf("3842923820 is %q", names["3842923820"])
	}
}

func TestManyFeaturesAreMissingAndNoneThatIsStoredIsZero(t *testing.T) {
	for _, k := range newKinds() {
		forms := make(map[string]form)
		for _, f := range k.features {
			forms[f.ID] = f.form
		}
		random := rand.New(rand.NewPCG(1, 1))
		stored, none := 0, 0
		const entities = 1000
		for range entities {
			pairs := k.draw(random)
			if len(pairs) == 0 {
				none++
			}
			stored += len(pairs) / 2
			for i := 0; i < len(pairs); i += 2 {
				checkValue(t, forms[pairs[i]], pairs[i+1])
			}
		}
		if share := float64(stored) / float64(entities*len(k.features)); share < 0.2 || share > 0.8 {
			t.Errorf("%s: %.0f %% of the features are stored", k.prefix, 100*share)
		}
		if none == 0 || none > entities/10 {
			t.Errorf("%s: %d of %d entities have nothing", k.prefix, none, entities)
		}
	}
}

func checkValue(t *testing.T, f form, value string) {
	t.Helper()
	switch f {
	case embedding:
		if len(value) != 4*embeddingLength {
			t.Errorf("an embedding of %d bytes", len(value))
		}
	case count:
		if n, err := strconv.Atoi(value); err != nil || n < 1 {
			t.Errorf("count %q", value)
		}
	default:
		if x, err := strconv.ParseFloat(value, 64); err != nil || x <= 0 {
			t.Errorf("ratio %q", value)
		}
	}
}
