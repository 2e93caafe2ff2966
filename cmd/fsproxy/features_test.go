package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func written(t *testing.T, name, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestHashPrintsTheFieldOfEachName(t *testing.T) {
	code, stdout, stderr := command(t, "features", "hash", "daf_cs_p6m_consumer2vec_emb", "a")
	want := "NAME                         FIELD\ndaf_cs_p6m_consumer2vec_emb  3842923820\na                            1426945110\n"
	if code != exitDone || stdout != want || stderr != "" {
		t.Errorf("%d, %q, %q", code, stdout, stderr)
	}
	if _, stdout, _ := command(t, "features", "hash", "--scheme=feast", "driver_stats:acc"); !strings.Contains(stdout, `  "\xd7\x90\xccQ"`) {
		t.Errorf("feast: %q", stdout)
	}
}

func TestLintPrintsEveryProblemByLineAndFails(t *testing.T) {
	file := written(t, "features.yaml", "features:\n- {name: daf_feature_2467, type: float}\n- {name: x, type: flaot}\n- {name: daf_feature_176141, type: float}\n- {name: y, type: embedding}\n")
	code, stdout, stderr := command(t, "features", "lint", file)
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if code != exitFailed || stdout != "" || len(lines) != 4 {
		t.Fatalf("%d, %q, %q", code, stdout, stderr)
	}
	for i, want := range []string{
		":2: feature daf_feature_2467: has the same field in the store as daf_feature_176141 (line 4): 2318576936",
		":3: feature x: type \"flaot\"", ":3: feature x: has no type", ":5: feature y: an embedding needs its dimension",
	} {
		if !strings.HasPrefix(lines[i], "fsproxy: "+file) || !strings.Contains(lines[i], want) {
			t.Errorf("line %d is %q, want %q", i, lines[i], want)
		}
	}
	good := written(t, "features.yaml", "features: [{name: x, type: float}]")
	if code, stdout, _ := command(t, "features", "lint", good); code != exitDone || !strings.Contains(stdout, "1 feature") {
		t.Errorf("%d, %q", code, stdout)
	}
}

func TestImportWritesACatalogueThatLoads(t *testing.T) {
	dump := filepath.Join("..", "..", "feature", "testdata", "feast-registry.json")
	code, stdout, stderr := command(t, "features", "import", "--from", "feast-registry", dump)
	want, err := os.ReadFile(filepath.Join("..", "..", "feature", "testdata", "feast.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if code != exitDone || stderr != "" || stdout != string(want) {
		t.Errorf("%d, %q\n%s", code, stderr, stdout)
	}
	table := written(t, "features.csv", "name,type,dimension\nemb,embedding,3\neta,float,\n")
	code, stdout, stderr = command(t, "features", "import", "--from=csv", table)
	if code != exitDone || stderr != "" {
		t.Errorf("%d, %q", code, stderr)
	}
	if code, _, stderr := command(t, "features", "lint", written(t, "features.yaml", stdout)); code != exitDone {
		t.Errorf("what was imported does not pass: %s", stderr)
	}
	incomplete := written(t, "features.csv", "name,type\nemb,embedding\n")
	if code, stdout, stderr := command(t, "features", "import", "--from=csv", incomplete); code != exitFailed || !strings.Contains(stdout, "name: emb") || !strings.Contains(stderr, "dimension") {
		t.Errorf("an incomplete one: %d, %q, %q", code, stdout, stderr)
	}
}

func TestFeastKeyIsPrintedForRedisCLI(t *testing.T) {
	_, stdout, _ := command(t, "features", "feast-key", "--project=demo", "driver_id:int64=1001")
	want := `"\x01\x00\x00\x00\x02\x00\x00\x00\x09\x00\x00\x00driver_id\x04\x00\x00\x00\x08\x00\x00\x00\xe9\x03\x00\x00\x00\x00\x00\x00demo"` + "\n"
	if stdout != want {
		t.Errorf("got %s", stdout)
	}
}

func TestWhatIsWrongWithAFeaturesCommandIsSaid(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"features"}, exitUsage, "say what to do"},
		{[]string{"features", "hsh"}, exitUsage, "did you mean hash?"},
		{[]string{"features", "hash"}, exitUsage, "no name given"},
		{[]string{"features", "hash", "--scheme=md5", "a"}, exitUsage, "--scheme md5 is unknown"},
		{[]string{"features", "lint"}, exitUsage, "one file is expected"},
		{[]string{"features", "lint", "/does/not/exist"}, exitFailed, "no such file"},
		{[]string{"features", "import", "/does/not/exist"}, exitUsage, "--from"},
		{[]string{"features", "import", "--from=csv", "/does/not/exist"}, exitFailed, "no such file"},
		{[]string{"features", "feast-key", "--project=p", "a"}, exitUsage, "has no value"},
		{[]string{"features", "feast-key", "--project=p", "a:int32=9999999999"}, exitUsage, "is no int32"},
		{[]string{"features", "feast-key", "--project=p", "a:float=1"}, exitUsage, "is unknown"},
	} {
		code, _, stderr := command(t, c.args...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("%v: %d, %q, want %q", c.args, code, stderr, c.want)
		}
	}
}
