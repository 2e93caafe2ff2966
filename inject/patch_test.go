package inject

import (
	"encoding/json"
	"testing"
)

func TestAPatchNamesOnlyWhatDiffers(t *testing.T) {
	for _, c := range []struct{ before, after, patch string }{
		{`{"a":1}`, `{"a":1}`, `null`},
		{`{"a":1,"b":2}`, `{"a":3}`, `[{"op":"replace","path":"/a","value":3},{"op":"remove","path":"/b"}]`},
		{`{}`, `{"a/b~c":""}`, `[{"op":"add","path":"/a~1b~0c","value":""}]`},
		{`{"l":[{"name":"x","v":1}]}`, `{"l":[{"name":"y"},{"name":"x","v":2}]}`, `[{"op":"add","path":"/l/0","value":{"name":"y"}},{"op":"replace","path":"/l/1/v","value":2}]`},
		{`{"l":[1,2]}`, `{"l":[1,3,2,4]}`, `[{"op":"add","path":"/l/1","value":3},{"op":"add","path":"/l/3","value":4}]`},
		{`{"l":[1,2]}`, `{"l":[2]}`, `[{"op":"replace","path":"/l","value":[2]}]`},
		{`{"l":null}`, `{"l":[]}`, `[{"op":"replace","path":"/l","value":[]}]`},
		{`{"n":9007199254740993}`, `{"n":9007199254740993,"m":1}`, `[{"op":"add","path":"/m","value":1}]`},
	} {
		before, err := decodeObject([]byte(c.before))
		if err != nil {
			t.Fatal(err)
		}
		after, err := decodeObject([]byte(c.after))
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(difference(before, after))
		if err != nil || string(got) != c.patch {
			t.Errorf("%s to %s: got %s, want %s (%v)", c.before, c.after, got, c.patch, err)
		}
	}
}

func TestDocumentsThatDoNotAskComeOutByteByByte(t *testing.T) {
	in, err := New(Config{Version: testVersion})
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{
		"", "\n", "---\n", "# only a comment\n", "---\r\na:   1\r\n---\r\nb: [ 1,2 ]", "kind: Pod\n", "- a\n- b\n", "text\n",
		"kind: Deployment\nspec: {template: {spec: {containers: [{name: a}]}}}\n--- # comment\nkind: X\nyes: no\n",
		"{\"kind\": \"Pod\", \"metadata\": null, \"spec\": null}",
	} {
		var out outputOf
		if _, err := in.Render(&out, []byte(stream), ByPod); err != nil || string(out) != stream {
			t.Errorf("%q: got %q, %v", stream, string(out), err)
		}
	}
	var out outputOf
	if _, err := in.Render(&out, []byte("a: [\n"), ByPod); err == nil {
		t.Error("broken YAML is taken")
	}
}

// outputOf keeps what is written.
type outputOf []byte

func (o *outputOf) Write(p []byte) (int, error) {
	*o = append(*o, p...)
	return len(p), nil
}
