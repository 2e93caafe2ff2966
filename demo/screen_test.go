package demo

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestWithoutATerminalEachLineIsAddedAndNoCodesAre(t *testing.T) {
	var out strings.Builder
	s := NewScreen(&out)
	s.Print("begin\n")
	s.Show("one")
	fmt.Fprint(s.Beside(&out), "log\n")
	s.Show("two")
	s.Print("end\n")
	if got := out.String(); got != "begin\none\nlog\ntwo\nend\n" {
		t.Errorf("got %q", got)
	}
}

func TestOnATerminalALineIsReplacedAndTheLastOneStays(t *testing.T) {
	var out strings.Builder
	s := &Screen{out: &out, terminal: true}
	s.Print("begin\n")
	s.Show("one")
	s.Show("two")
	fmt.Fprint(s.Beside(&out), "log\n")
	s.Show("three")
	s.Print("end\n")
	line := func(text string) string { return wipe + noWrap + text + wrapped }
	want := "begin\n" + line("one") + line("two") + wipe + "log\n" + line("three") + "\nend\n"
	if got := out.String(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if isTerminal(file) || isTerminal(new(strings.Builder)) {
		t.Error("a file or a builder is taken for a terminal")
	}
}
