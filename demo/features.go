package demo

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/fsproxy/fsproxy/feature"
)

// form is how a feature's values look.
type form uint8

const (
	ratio     form = iota // "0.0731": a share or an average
	count                 // "17"
	embedding             // little-endian float32s, as bytes
)

// embeddingLength is the number of dimensions of an embedding. Its 128 bytes
// are twenty times a number's.
const embeddingLength = 32

// Feature is one of the features of a kind of entity.
type Feature struct {
	Name string // such as "daf_cs_p6m_consumer2vec_emb"
	ID   string // the store's field
	form form
	// stored is the share of entities for which the store has it. Features that
	// are zero or null are not stored.
	stored float64
}

// kind is a kind of entity.
type kind struct {
	prefix     string  // of its entities, such as "st_"
	population int     // entities
	skew       float64 // exponent of the Zipf law of their popularity
	features   []Feature
}

// windows are the stretches of time that features are aggregated over. Those
// of a day and more come from uploads ("daf"), shorter ones from a stream of
// events ("raf"), in which most entities do not occur.
var windows = []struct {
	source, span string
	stored       float64 // see Feature
}{
	{"raf", "p20mi", 0.10},
	{"raf", "p1h", 0.20},
	{"daf", "p1d", 0.30},
	{"daf", "p7d", 0.45},
	{"daf", "p28d", 0.60},
	{"daf", "p84d", 0.70},
	{"daf", "p6m", 0.75},
}

// measures are what is aggregated, by the kind's code in features' names.
var measures = map[string][]struct {
	name string
	form form
}{
	"cs": {
		{"orders_cnt", count},
		{"sessions_cnt", count},
		{"reviews_cnt", count},
		{"cuisines_cnt", count},
		{"order_value_avg", ratio},
		{"tip_avg", ratio},
		{"items_avg", ratio},
		{"lateness_avg", ratio},
		{"rating_avg", ratio},
		{"reorder_rate", ratio},
		{"cancel_rate", ratio},
		{"promo_rate", ratio},
		{"search_ctr", ratio},
		{"pickup_rate", ratio},
		{"basket_abandon_rate", ratio},
	},
	"st": {
		{"orders_cnt", count},
		{"views_cnt", count},
		{"menu_changes_cnt", count},
		{"new_consumers_cnt", count},
		{"prep_time_avg", ratio},
		{"prep_time_std", ratio},
		{"driver_wait_avg", ratio},
		{"basket_value_avg", ratio},
		{"rating_avg", ratio},
		{"conversion_rate", ratio},
		{"cancel_rate", ratio},
		{"missing_item_rate", ratio},
		{"repeat_rate", ratio},
		{"busy_rate", ratio},
		{"closed_rate", ratio},
	},
	"dr": {
		{"deliveries_cnt", count},
		{"offers_cnt", count},
		{"batches_cnt", count},
		{"zones_cnt", count},
		{"speed_avg", ratio},
		{"parking_time_avg", ratio},
		{"handover_time_avg", ratio},
		{"lateness_avg", ratio},
		{"rating_avg", ratio},
		{"acceptance_rate", ratio},
		{"completion_rate", ratio},
		{"idle_rate", ratio},
		{"active_hours_avg", ratio},
		{"distance_avg", ratio},
		{"eta_error_std", ratio},
	},
}

// Most entities have the embeddings.
const embeddingStored = 0.9

// newKinds are the kinds of entity, by the order of models' asks. Popularity is
// steepest for stores; any one consumer is asked for seldom.
func newKinds() []kind {
	return []kind{
		{"st_", 1_500, 1.10, newFeatures("st", "daf_st_p6m_store2vec_emb", "daf_st_p28d_menu2vec_emb")},
		{"cx_", 8_000, 1.01, newFeatures("cs", "daf_cs_p6m_consumer2vec_emb", "daf_cs_p28d_taste2vec_emb")},
		{"dr_", 2_500, 1.05, newFeatures("dr", "daf_dr_p6m_driver2vec_emb")},
	}
}

// newFeatures are all features of the kind with a code.
func newFeatures(code string, embeddings ...string) []Feature {
	var features []Feature
	for _, name := range embeddings {
		features = append(features, Feature{name, feature.ID(name), embedding, embeddingStored})
	}
	for _, w := range windows {
		for _, m := range measures[code] {
			name := w.source + "_" + code + "_" + w.span + "_" + m.name
			features = append(features, Feature{name, feature.ID(name), m.form, w.stored})
		}
	}
	return features
}

// draw makes up what the store has of one entity: fields and values in turn,
// by the order of features.
func (k *kind) draw(random *rand.Rand) []string {
	// Some entities are used more than others, and so have more features; a few
	// are new and have none.
	const newcomers = 0.02 // share of entities
	if random.Float64() < newcomers {
		return nil
	}
	activity := 0.4 + random.Float64()
	var pairs []string
	for _, f := range k.features {
		if random.Float64() < f.stored*activity {
			pairs = append(pairs, f.ID, f.draw(random))
		}
	}
	return slices.Clip(pairs)
}

// draw makes up a value that is not zero.
func (f *Feature) draw(random *rand.Rand) string {
	switch f.form {
	case count:
		return strconv.Itoa(1 + int(random.ExpFloat64()*20))
	case embedding:
		value := make([]byte, 0, 4*embeddingLength)
		for range embeddingLength {
			value = binary.LittleEndian.AppendUint32(value, math.Float32bits(float32(random.NormFloat64())))
		}
		return string(value)
	default:
		return strconv.FormatFloat(random.Float64()+1e-4, 'f', 4, 64)
	}
}
