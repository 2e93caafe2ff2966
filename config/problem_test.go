package config

import (
	"errors"
	"strings"
	"testing"
)

// malformed is a file, an environment and flags with exactly one thing wrong.
type malformed struct {
	file    string
	environ string
	args    []string
	want    []string // parts of the one line
}

func TestEachProblemNamesOptionValueWhatIsAcceptedAndOrigin(t *testing.T) {
	long := "unix:///" + strings.Repeat("a", 107)
	for name, m := range map[string]malformed{
		"unknown key":          {file: "\ncache: {max_bites: 5}", want: []string{`cache.max_bites = "5"`, "unknown option", "did you mean cache.max_bytes?", "accepted: max_bytes, max_age", "fsproxy.yaml, line 2"}},
		"unknown section":      {file: "chache: {max_age: 1m}", want: []string{"chache: unknown option", "did you mean cache?", "line 1"}},
		"key without section":  {file: "max_age: 1m", want: []string{"did you mean cache.max_age?"}},
		"key in upper case":    {file: "Mode: live", want: []string{`Mode = "live"`, "did you mean mode?"}},
		"nothing near":         {file: "zzzzzzzz: 1", want: []string{`zzzzzzzz = "1": unknown option; accepted: listeners, auth, mode`}},
		"key twice":            {file: "mode: live\nmode: off", want: []string{`mode = "off"`, "given twice, first on line 1", "line 2"}},
		"unknown variable":     {environ: "FSPROXY_CACHE_MAX_BYTE=1", want: []string{`FSPROXY_CACHE_MAX_BYTE = "1"`, "unknown option", "did you mean FSPROXY_CACHE_MAX_BYTES?", "accepted:", "environment variable FSPROXY_CACHE_MAX_BYTE)"}},
		"variable, no section": {environ: "FSPROXY_MAX_AGE=1", want: []string{"did you mean FSPROXY_CACHE_MAX_AGE?"}},
		"unknown element key":  {file: "listeners: [{adress: 'localhost:1'}]", want: []string{`listeners[0].adress = "localhost:1"`, "did you mean address?", "accepted: address"}},

		"duration":           {file: "cache:\n  max_age: 60", want: []string{`cache.max_age = "60": not a duration; accepted: a duration with its unit`, "line 2"}},
		"duration too small": {environ: "FSPROXY_UPSTREAM_FETCH_TIMEOUT=0s", want: []string{`upstream.fetch_timeout = "0s": too small; accepted:`, "from 1ms to 1m", "environment variable FSPROXY_UPSTREAM_FETCH_TIMEOUT"}},
		"duration too large": {environ: "FSPROXY_UPSTREAM_FETCH_TIMEOUT=61s", want: []string{"too large"}},
		"negative duration":  {environ: "FSPROXY_CACHE_WRITE_SETTLE=-1s", want: []string{"too small"}},
		"empty variable":     {environ: "FSPROXY_DRAIN_TIMEOUT=", want: []string{`drain_timeout = "": not a duration`}},
		"size":               {file: "cache: {max_row_bytes: 1.5MiB}", want: []string{`cache.max_row_bytes = "1.5MiB": not a size in bytes; accepted: bytes, or a size in KiB`}},
		"size too large":     {file: "limits: {max_bulk_bytes: 513MiB}", want: []string{"limits.max_bulk_bytes", "too large", "to 512MiB"}},
		"size too small":     {file: "cache: {max_bytes: 1}", want: []string{"cache.max_bytes", "too small", "or 0: what the memory limit leaves, at most 60 % of it"}},
		"integer":            {file: "limits: {max_clients: many}", want: []string{`limits.max_clients = "many": not a whole number; accepted: a whole number from 1 to 1000000`}},
		"integer of zero":    {file: "upstream: {connections: 0}", want: []string{"too small", "from 1 to 64"}},
		"negative integer":   {file: "cache: {shards: -1}", want: []string{"cache.shards", "too small", "or 0: chosen from GOMAXPROCS"}},
		"choice in a flag":   {args: []string{"--mode=liv"}, want: []string{`mode = "liv": not one of the choices (did you mean live?); accepted: off, dry-run or live (flag --mode)`}},
		"choice of YAML 1.1": {file: "upstream: {tls: {enabled: yes}}", want: []string{`upstream.tls.enabled = "yes"`, "accepted: true or false"}},
		"no value":           {file: "cache:\n  max_age:\n", want: []string{`cache.max_age = "": without a value; accepted: a duration`, "line 2"}},
		"section for value":  {file: "mode: {a: b}", want: []string{"mode: of the wrong shape; accepted: off, dry-run or live"}},
		"value for section":  {file: "cache: 5", want: []string{`cache = "5": of the wrong shape; accepted: a section of options: max_bytes`}},
		"value for list":     {file: "upstream: {addresses: 'a:1'}", want: []string{"upstream.addresses", "accepted: a list"}},
		"list for value":     {file: "mode: [live]", want: []string{"mode: of the wrong shape"}},
		"list of lists":      {file: "upstream: {addresses: [[a]]}", want: []string{"upstream.addresses[0]: of the wrong shape"}},
		"two lines of text":  {file: "upstream: {tls: {enabled: true, server_name: \"a\\nb\"}}", want: []string{"more than one line of text"}},

		"no listener":          {file: "listeners: []", want: []string{"listeners", "an empty list; accepted: one or more"}},
		"no listener in flag":  {args: []string{"--listen="}, want: []string{"listeners", "an empty list", "flag --listen"}},
		"listener as text":     {file: "listeners: ['localhost:1']", want: []string{`listeners[0] = "localhost:1": of the wrong shape; accepted: {address: host:port on loopback`}},
		"listener of nothing":  {file: "listeners: [{}]", want: []string{"listeners[0]: of the wrong shape"}},
		"listener for all":     {args: []string{"--listen=0.0.0.0:6379"}, want: []string{`listeners[0].address = "0.0.0.0:6379"`, "clients are not authenticated", "accepted: host:port on loopback", "flag --listen"}},
		"listener, no host":    {file: "listeners:\n- address: ':6379'", want: []string{"listeners[0].address", "clients are not authenticated", "line 2"}},
		"listener by name":     {args: []string{"--listen=example.com:6379"}, want: []string{"clients are not authenticated"}},
		"listener, no port":    {args: []string{"--listen=127.0.0.1"}, want: []string{"not an address with a host and a port"}},
		"listener, large port": {args: []string{"--listen=127.0.0.1:65536"}, want: []string{"the port is not a number from 0 to 65535"}},
		"relative socket":      {args: []string{"--listen=unix://a"}, want: []string{"must be absolute"}},
		"folder as socket":     {args: []string{"--listen=unix:///a/"}, want: []string{"must name a file"}},
		"long socket":          {args: []string{"--listen=" + long}, want: []string{"has 108 bytes, of at most 107"}},
		"listener twice":       {args: []string{"--listen=127.0.0.1:1,localhost:01"}, want: []string{`listeners[1].address = "localhost:01": the same address as listeners[0]`}},
		"socket twice":         {args: []string{"--listen=unix:///a,unix:///a"}, want: []string{"the same address as listeners[0]"}},
		"admin at a listener":  {args: []string{"--admin=localhost:6379"}, want: []string{"admin.address", "the same address as listeners[0]"}},
		"rows without token":   {environ: "FSPROXY_WARM_ROWS=true", want: []string{"warm.rows", "admin.token_file beside it"}},
		"admin, no port":       {args: []string{"--admin=localhost"}, want: []string{"admin.address", ":port for all interfaces, or empty"}},

		"no upstream":        {environ: "FSPROXY_UPSTREAM_ADDRESSES=", want: []string{"upstream.addresses", "an empty list"}},
		"upstream, no host":  {args: []string{"--upstream=:1"}, want: []string{"the host is missing"}},
		"upstream, port 0":   {args: []string{"--upstream=a:0"}, want: []string{"port 0 cannot be connected to"}},
		"upstream, bad IP":   {args: []string{"--upstream=300.1.1.1:1"}, want: []string{"neither an IP address nor a name"}},
		"upstream twice":     {args: []string{"--upstream=A:1,b:1,a:1"}, want: []string{`upstream.addresses[2] = "a:1": the same address as upstream.addresses[0]`}},
		"upstream is itself": {args: []string{"--upstream=localhost:6379"}, want: []string{"fsproxy itself listens there (listeners[0])"}},
		"upstream as URL":    {environ: "FSPROXY_UPSTREAM_ADDRESSES=redis://user:hunter2@store:6379", want: []string{`"********@store:6379": not an address`}},
		"password in place":  {file: "upstream: {password: hunter2}", want: []string{`upstream.password = "********": unknown option (did you mean upstream.password_file?)`}},
		"password variable":  {environ: "FSPROXY_UPSTREAM_PASSWORD=hunter2", want: []string{`= "********": unknown option (did you mean FSPROXY_UPSTREAM_PASSWORD_FILE?)`}},

		"negative age":        {file: "cache: {max_age: 1m}", want: []string{`cache.negative_max_age = "5m": more than cache.max_age, which is 1m (file `, "accepted: at most that (default)"}},
		"row over cache":      {environ: "FSPROXY_CACHE_MAX_ROW_BYTES=2MiB", file: "cache: {max_bytes: 1MiB}", want: []string{"cache.max_row_bytes", "more than cache.max_bytes, which is 1MiB"}},
		"malformed, compared": {environ: "FSPROXY_CACHE_MAX_AGE=3", file: "cache: {negative_max_age: 2h}", want: []string{"cache.max_age"}},
		"bulk over request":   {file: "limits: {max_request_bytes: 1MiB}", want: []string{"limits.max_bulk_bytes", "more than limits.max_request_bytes"}},
		"inline and request":  {file: "limits: {max_inline_bytes: 129MiB}", want: []string{"limits.max_inline_bytes", "more than limits.max_request_bytes"}},

		"user, no password":  {file: "upstream: {username: bob}", want: []string{`upstream.username = "bob"`, "upstream.password_file beside it"}},
		"no password file":   {file: "upstream: {password_file: /does/not/exist}", want: []string{`upstream.password_file = "/does/not/exist"`, "no such file"}},
		"TLS without itself": {file: "upstream: {tls: {ca_file: /ca.pem}}", want: []string{`upstream.tls.ca_file = "/ca.pem"`, "has no effect while upstream.tls.enabled is false"}},
		"TLS cert alone":     {file: "upstream: {tls: {enabled: true, cert_file: /c.pem}}", want: []string{"upstream.tls.cert_file", "a certificate without its key"}},
		"TLS key alone":      {file: "upstream: {tls: {enabled: true, key_file: /k.pem}}", want: []string{"upstream.tls.key_file", "a key without its certificate"}},
		"TLS no CA file":     {file: "upstream: {tls: {enabled: true, ca_file: /does/not/exist}}", want: []string{"upstream.tls.ca_file", "no such file"}},
		"TLS no pair":        {file: "upstream: {tls: {enabled: true, cert_file: /does/not/exist, key_file: /k}}", want: []string{"upstream.tls.cert_file", "no such file"}},
	} {
		t.Run(name, func(t *testing.T) { m.check(t) })
	}
}

func (m malformed) check(t *testing.T) {
	t.Helper()
	src := Sources{Flags: flags(t, m.args...)}
	if m.file != "" {
		src.File = writeFile(t, "fsproxy.yaml", m.file)
	}
	if m.environ != "" {
		src.Environ = []string{m.environ}
	}
	cfg, err := Load(src)
	if err == nil {
		t.Fatalf("accepted:\n%s", cfg)
	}
	var p *Problem
	if !errors.As(err, &p) || strings.Contains(err.Error(), "\n") {
		t.Errorf("not exactly one problem:\n%v", err)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a password is printed: %v", err)
	}
	for _, part := range append(m.want, "accepted: ") {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v\nlacks %q", err, part)
		}
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	file := writeFile(t, "fsproxy.yaml", "mod: live\ncache: {max_age: 1, max_bytes: 1MiB, max_row_bytes: 2MiB}\nlog: {level: loud}\n")
	_, err := Load(Sources{
		File:    file,
		Environ: []string{"FSPROXY_NOTHING=1", "FSPROXY_LIMITS_MAX_CLIENTS=0"},
		Flags:   flags(t, "--listen=0.0.0.0:1,:2,127.0.0.1:3"),
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, start := range []string{
		"mod =", "FSPROXY_NOTHING =", "listeners[0].address =", "listeners[1].address =", "cache.max_age =",
		"limits.max_clients =", "log.level =", "cache.max_row_bytes =",
	} {
		if strings.Count("\n"+err.Error(), "\n"+start) != 1 {
			t.Errorf("%q is not reported once in:\n%v", start, err)
		}
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 8 {
		t.Errorf("%d problems, want 8:\n%v", lines, err)
	}
}

func TestALongValueIsCut(t *testing.T) {
	_, err := Load(Sources{Environ: []string{"FSPROXY_MODE=" + strings.Repeat("x", 1<<16)}})
	if err == nil || len(err.Error()) > 400 {
		t.Errorf("%d bytes of error", len(err.Error()))
	}
}
