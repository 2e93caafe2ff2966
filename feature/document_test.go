package feature

import (
	"os"
	"strings"
	"testing"
)

func TestTheExampleInTheDocumentsIsACatalogue(t *testing.T) {
	content, err := os.ReadFile("../docs/FEATURES.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(content), "```yaml\n")
	example, _, closed := strings.Cut(example, "```")
	if !closed {
		t.Fatal("no example")
	}
	c, err := Parse("FEATURES.md", []byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if c.Len() != 6 || len(c.Warnings()) != 0 {
		t.Errorf("%d features, warnings %v", c.Len(), c.Warnings())
	}
}
