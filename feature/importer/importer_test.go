package importer

import (
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/feature"
)

func text(t *testing.T, d *Draft) string {
	t.Helper()
	content, err := d.YAML()
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestEveryColumnOfATableBecomesTheKeyOfAFeature(t *testing.T) {
	d, err := FromCSV(strings.NewReader("\ufeffname,type,encoding,dimension,bits,source,group,max_age,negative_max_age,stale_if_error,cacheable,default\n"+
		"emb,embedding,raw,2,64,batch,g,26h,5m,1m,false,\"[0.5,1]\"\n"+
		"\"a,b\",string,,,,,,,,,,\"\"\"12\"\"\"\n"), feature.ByName)
	if err != nil {
		t.Fatal(err)
	}
	c, err := feature.Parse("f", []byte(text(t, d)))
	if err != nil {
		t.Fatalf("%v\n%s", err, text(t, d))
	}
	emb := c.Feature("emb")
	if emb.Dimension != 2 || emb.Bits != 64 || emb.Cacheable || len(emb.Default) != 16 || emb.MaxAge.Hours() != 26 || emb.Group != "g" || emb.StaleIfError.Minutes() != 1 {
		t.Errorf("%+v", emb)
	}
	if got := string(c.Feature("a,b").Default); got != "12" {
		t.Errorf("default %q", got)
	}
}

func TestWhatIsWrongWithATableIsSaidWithItsLine(t *testing.T) {
	for table, want := range map[string]string{
		"":                          "header",
		"name,colour\n":             `column "colour" is unknown`,
		"type\n":                    "no column name",
		"name,type\na\nb,int\n":     "line 2",
		"name,default\na,\"[1\"\n":  "line 2: default",
		"name,type\n\"a,int\nb,x\n": "read the table",
	} {
		if _, err := FromCSV(strings.NewReader(table), feature.XXHash32); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", table, err, want)
		}
	}
}

func TestOfAFeastRegistryOnlyWhatIsStoredIsListed(t *testing.T) {
	d, err := FromFeast(strings.NewReader(`{
		"featureViews": [
			{"spec": {"name": "v", "online": true, "streamSource": {"name": "push"}, "features": [
				{"name": "emb", "valueType": "FLOAT_LIST", "vectorLength": 3, "vectorIndex": true}, {"name": "m", "valueType": "MAP"}, {"name": "d", "valueType": "DOUBLE"}]}},
			{"spec": {"name": "offline", "features": [{"name": "x", "valueType": "INT64"}]}}],
		"streamFeatureViews": [{"spec": {"name": "s", "online": true, "features": [{"name": "x", "valueType": "INT64"}]}}],
		"onDemandFeatureViews": [{"spec": {"name": "o", "features": [{"name": "x", "valueType": "INT64"}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	c, err := feature.Parse("f", []byte(text(t, d)))
	if err != nil {
		t.Fatalf("%v\n%s", err, text(t, d))
	}
	var names []string
	for _, f := range c.Features() {
		names = append(names, f.Name+" "+f.Form.String()+" "+string(f.Source))
	}
	want := "v:emb embedding in feast realtime|v:m bytes in raw realtime|v:d float in feast realtime|s:x int in feast realtime"
	if got := strings.Join(names, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if emb := c.Feature("v:emb"); emb.Dimension != 3 {
		t.Errorf("%+v", emb)
	}
	notes := strings.Join(d.Notes, "|")
	if len(d.Notes) != 2 || !strings.Contains(notes, "offline is not online") || !strings.Contains(notes, "type MAP") {
		t.Errorf("notes %q", notes)
	}
}

func TestWhatIsNoRegistryIsRefused(t *testing.T) {
	for _, dump := range []string{"", "{}", `{"featureViews": 1}`} {
		if _, err := FromFeast(strings.NewReader(dump)); err == nil || !strings.Contains(err.Error(), "feast registry-dump") {
			t.Errorf("%q: %v", dump, err)
		}
	}
}

func TestTablesAreReadAsSpreadsheetsWriteThem(t *testing.T) {
	const want = "scheme: xxhash32\nfeatures:\n  - name: eta, mean\n    type: float\n"
	for name, table := range map[string]string{
		"commas":               "name,type\n\"eta, mean\",float\n",
		"a mark before quotes": "\ufeff\"name\",\"type\"\r\n\"eta, mean\",\"float\"\r\n",
		"semicolons":           "\ufeffname;type;group\r\neta, mean;float;\r\n",
		"tabs":                 "name\ttype\neta, mean\tfloat",
		"other columns first":  "type, name\nfloat, \"eta, mean\"\n\n",
	} {
		d, err := FromCSV(strings.NewReader(table), feature.XXHash32)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := text(t, d); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for table, want := range map[string]string{
		"name,name\na,b\n": `two columns "name"`,
		"name,type\n":      "no feature",
		"":                 "header",
		"\xff\xfen\x00":    "unknown",
	} {
		if _, err := FromCSV(strings.NewReader(table), feature.XXHash32); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want an error with %q", table, err, want)
		}
	}
}
