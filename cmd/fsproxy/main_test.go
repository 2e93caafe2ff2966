package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

// command runs the binary's main without its process.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestErrorsArePrintedOnceAndTheExitCodeTellsUsageFromFailure(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "no command given"},
		{[]string{"chek"}, exitUsage, `unknown command "chek"; did you mean check?`},
		{[]string{"zzz"}, exitUsage, `unknown command "zzz"; ` + "`fsproxy --help`"},
		{[]string{"version", "x"}, exitUsage, `unexpected argument "x"`},
		{[]string{"check", "--lisen=x"}, exitUsage, "unknown flag: --lisen"},
		{[]string{"check", "x"}, exitUsage, `unexpected argument "x"`},
		{[]string{"check", "--ready", "x", "y"}, exitUsage, `unexpected argument "x"`},
		{[]string{"check", "--ready=x"}, exitUsage, "--ready x is no address or URL"},
		{[]string{"check", "--config=/does/not/exist"}, exitFailed, "no such file"},
		{[]string{"check", "--mode=x"}, exitFailed, `mode = "x"`},
	} {
		code, stdout, stderr := command(t, c.args...)
		if code != c.code || stdout != "" {
			t.Errorf("%v: exit code %d, output %q", c.args, code, stdout)
		}
		if !strings.HasPrefix(stderr, "fsproxy: ") || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: error %q, want a line with %q", c.args, stderr, c.want)
		}
	}
}

func TestEachProblemIsALineThatSaysWhoSpeaks(t *testing.T) {
	_, _, stderr := command(t, "check", "--mode=x", "--log-level=y")
	if lines := strings.Count(stderr, "fsproxy: "); lines != 2 || strings.Count(stderr, "\n") != 2 {
		t.Errorf("got %q", stderr)
	}
}

func TestVersionNamesVersionCommitAndGo(t *testing.T) {
	code, stdout, _ := command(t, "version")
	if code != exitDone || !regexp.MustCompile(`^fsproxy \S+ \(commit \S+, go1\.\d+.*\)\n$`).MatchString(stdout) {
		t.Errorf("exit code %d, output %q", code, stdout)
	}
}

func TestEverySubcommandHasAShortDescription(t *testing.T) {
	for _, cmd := range newRootCommand().Commands() {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: short description %q", cmd.Name(), cmd.Short)
		}
	}
}
