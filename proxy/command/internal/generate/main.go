// Command generate writes the table of commands from a redis-server of its own,
// which must be in PATH: go generate ./proxy/command
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"go/format"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// version of redis-server that the table is made from. Another one would
// change what COMMAND says, so it has to be asked for here.
const version = "7.0.15"

func main() {
	out := flag.String("out", "table.go", "file to write")
	flag.Parse()
	if err := run(*out); err != nil {
		log.Fatal(err)
	}
}

func run(out string) error {
	dir, err := os.MkdirTemp("", "generate")
	if err != nil {
		return fmt.Errorf("make a folder for redis-server: %w", err)
	}
	defer os.RemoveAll(dir)
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	socket := filepath.Join(dir, "redis.sock")
	server := exec.CommandContext(ctx, "redis-server", "--port", "0", "--save", "", "--unixsocket", socket, "--dir", dir)
	if err := server.Start(); err != nil {
		return fmt.Errorf("start redis-server (is it installed?): %w", err)
	}
	defer func() {
		stop()
		_ = server.Wait() // killed: its exit status says nothing
	}()
	if err := await(ctx, socket); err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, Protocol: 2, DisableIdentity: true})
	defer client.Close()
	source, err := generate(ctx, client)
	if err != nil {
		return err
	}
	return os.WriteFile(out, source, 0o644)
}

// await waits until redis-server listens.
func await(ctx context.Context, socket string) error {
	for {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("redis-server does not listen on %s: %w", socket, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func generate(ctx context.Context, client *redis.Client) ([]byte, error) {
	info, err := client.Info(ctx, "server").Result()
	if err != nil {
		return nil, fmt.Errorf("INFO: %w", err)
	}
	if !strings.Contains(info, "redis_version:"+version+"\r\n") {
		return nil, errors.New("redis-server is not of version " + version)
	}
	commands, err := client.Do(ctx, "COMMAND").Slice()
	if err != nil {
		return nil, fmt.Errorf("COMMAND: %w", err)
	}
	docs, err := client.Do(ctx, "COMMAND", "DOCS").Slice()
	if err != nil {
		return nil, fmt.Errorf("COMMAND DOCS: %w", err)
	}
	var rows []string
	collect(&rows, commands, pairs(docs))
	slices.Sort(rows)

	var b bytes.Buffer
	fmt.Fprintf(&b, "// Code generated from redis-server %s by internal/generate; DO NOT EDIT.\n\npackage command\n\n", version)
	b.WriteString("// table has a container before its subcommands: they are sorted by name.\nvar table = []row{\n")
	for _, r := range rows {
		b.WriteString("\t" + r + "\n")
	}
	b.WriteString("}\n")
	return format.Source(b.Bytes())
}

// collect appends a line for each of commands and their subcommands.
func collect(rows *[]string, commands []any, docs map[string]any) {
	for _, c := range commands {
		f := c.([]any)
		name := f[0].(string)
		doc := pairs(docs[name].([]any))
		*rows = append(*rows, fmt.Sprintf("{%q, %d, %q, %d, %d, %d, %q, %q, %q, %q, %q, %q},",
			name, f[1], words(f[2], ""), f[3], f[4], f[5], words(f[6], "@"), specs(f[8].([]any)), words(f[7], ""),
			doc["group"], doc["since"], doc["summary"]))
		if subs, ok := doc["subcommands"].([]any); ok {
			collect(rows, f[9].([]any), pairs(subs))
		}
	}
}

func pairs(flat []any) map[string]any {
	m := make(map[string]any, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		m[flat[i].(string)] = flat[i+1]
	}
	return m
}

// words joins strings, without prefix and without tips that are no policy.
func words(list any, prefix string) string {
	var words []string
	for _, w := range list.([]any) {
		words = append(words, strings.TrimPrefix(w.(string), prefix))
	}
	return strings.Join(words, " ")
}

// specs writes key specs in the notation that the package reads. A command with
// a spec of type "unknown" needs a finder in keys.go, so its unknown part is
// left out here.
func specs(list []any) string {
	var texts []string
	for _, s := range list {
		spec := pairs(s.([]any))
		begin, find := pairs(spec["begin_search"].([]any)), pairs(spec["find_keys"].([]any))
		if begin["type"] == "unknown" || find["type"] == "unknown" {
			continue
		}
		b, f := pairs(begin["spec"].([]any)), pairs(find["spec"].([]any))
		text := access(spec["flags"].([]any)) + "@"
		if begin["type"] == "keyword" {
			text += fmt.Sprintf("%v/%v", b["keyword"], b["startfrom"])
		} else {
			text += fmt.Sprint(b["index"])
		}
		if find["type"] == "keynum" {
			text += fmt.Sprintf("+#%v,%v,%v", f["keynumidx"], f["firstkey"], f["keystep"])
		} else if how := fmt.Sprintf("+%v,%v,%v", f["lastkey"], f["keystep"], f["limit"]); how != "+0,1,0" {
			text += how
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

func access(flags []any) string {
	switch {
	case slices.Contains(flags, any("not_key")):
		return "x"
	case slices.Contains(flags, any("RO")):
		return "r"
	}
	return "w"
}
