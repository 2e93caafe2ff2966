package feature

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/fsproxy/fsproxy/feature/codec"
)

// feastStore is a Redis that Feast has written to; see testdata/make_feast.py.
type feastStore struct {
	Project string
	View    string
	Keys    map[string]map[string]string // key, field and value in hexadecimal
	Several string                       // a key of five join keys, without its project
}

func readFeastStore(t *testing.T) feastStore {
	t.Helper()
	content, err := os.ReadFile("testdata/feast.json")
	if err != nil {
		t.Fatal(err)
	}
	var store feastStore
	if err := json.Unmarshal(content, &store); err != nil {
		t.Fatal(err)
	}
	return store
}

func TestValuesThatFeastHasWrittenAreFoundByNameAndDecoded(t *testing.T) {
	store := readFeastStore(t)
	catalogue, err := Load("testdata/feast.yaml")
	if err != nil {
		t.Fatal(err)
	}
	key, err := FeastKey(store.Project, EntityKey{"driver_id", int64(1001)})
	if err != nil {
		t.Fatal(err)
	}
	row := store.Keys[hex.EncodeToString(key)]
	if row == nil {
		t.Fatalf("no key %x among %v", key, store.Keys)
	}
	want := map[string]string{
		"conv_rate": "0.25", "acc": "0.1", "trips": "7", "n32": "5", "city": "Zürich", "active": "1", "seen": "1767323045",
		"emb":    "\x00\x00\x00\x3f\x00\x00\xa0\xbf\x00\x00\x40\x40",
		"recent": "\x01\x00\x00\x00\x00\x00\x00\x00\xfe\xff\xff\xff\xff\xff\xff\xff\x03\x00\x00\x00\x00\x00\x00\x00",
		"tags":   "\x01\x00\x00\x00a\x02\x00\x00\x00bc",
	}
	if len(row) != len(want)+1 {
		t.Errorf("Feast has written %d fields", len(row))
	}
	for name, value := range want {
		definition := catalogue.Feature(store.View + ":" + name)
		if definition == nil {
			t.Errorf("%s is not listed", name)
			continue
		}
		stored, _ := hex.DecodeString(row[hex.EncodeToString([]byte(definition.Field))])
		decoded, err := definition.Decode(nil, stored)
		if err != nil || string(decoded) != value {
			t.Errorf("%s: stored as %x, decoded %q, %v, want %q", name, stored, decoded, err, value)
		}
		if again, err := definition.Encode(nil, decoded); err != nil || string(again) != string(stored) {
			t.Errorf("%s: encoded %x, %v; Feast wrote %x", name, again, err, stored)
		}
	}
	timestamps := "_ts:" + store.View
	if _, ok := row[hex.EncodeToString([]byte(timestamps))]; !ok || catalogue.Field(timestamps) != timestamps {
		t.Errorf("no field %s", timestamps)
	}
	if catalogue.Policy(timestamps).Cacheable {
		t.Error("the timestamps by which Feast decides whether to write would be cached")
	}
}

func TestFeastsNullIsNoValue(t *testing.T) {
	store := readFeastStore(t)
	key, _ := FeastKey(store.Project, EntityKey{"driver_id", int64(1002)})
	stored := store.Keys[hex.EncodeToString(key)][hex.EncodeToString([]byte(Feast.Field("driver_stats:conv_rate")))]
	if _, err := (codec.Form{Type: codec.Float, Encoding: codec.Feast}).Decode(nil, []byte(stored)); stored != "" || err == nil {
		t.Errorf("%x, %v", stored, err)
	}
}

func TestAFeastKeyIsSortedByJoinKeyAndTyped(t *testing.T) {
	got, err := FeastKey("demo", EntityKey{"zone", "Zürich"}, EntityKey{"driver_id", int64(-5)}, EntityKey{"tag", []byte("\x00\x01")},
		EntityKey{"at", FeastTime(1767323045)}, EntityKey{"n", int32(9)})
	if want := readFeastStore(t).Several + hex.EncodeToString([]byte("demo")); err != nil || hex.EncodeToString(got) != want {
		t.Errorf("got  %x, %v\nwant %s", got, err, want)
	}
	if _, err := FeastKey("demo", EntityKey{"x", 1.5}); err == nil {
		t.Error("a float was taken for the value of a join key")
	}
}

func TestFieldsFollowTheScheme(t *testing.T) {
	for scheme, want := range map[Scheme]string{
		XXHash32: "3842923820", ByName: "daf_cs_p6m_consumer2vec_emb",
	} {
		if got := scheme.Field("daf_cs_p6m_consumer2vec_emb"); got != want {
			t.Errorf("%s: %q", scheme, got)
		}
	}
	if got := Quoted(Feast.Field("driver_stats:acc")); got != `"\xd7\x90\xccQ"` {
		t.Errorf("feast: %s", got)
	}
}
