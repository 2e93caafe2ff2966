package session

import (
	"strings"
	"testing"

	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/resp"
)

// Whatever a client says, it gets exactly one well-formed reply, none where
// CLIENT REPLY says so, and none where the request is forwarded.
func FuzzAnswer(f *testing.F) {
	for _, file := range []string{"testdata/golden.txt", "testdata/golden_cluster.txt"} {
		_, scripts := readGolden(f, file)
		for _, s := range scripts {
			var requests []string
			for _, x := range s.exchanges {
				requests = append(requests, strings.Join(x.args, "\x1f"))
			}
			f.Add(strings.Join(requests, "\x1e"))
		}
	}
	for _, request := range []string{"command", "command docs", "command docs client", "command info client|kill nope", "client help", "client list", "info all", "cluster shards", "cluster nodes", "hello 3 auth a b setname c", "time", "lolwut version 5", "config help"} {
		f.Add(strings.ReplaceAll(request, " ", "\x1f") + "\x1ehello\x1f3\x1e" + strings.ReplaceAll(request, " ", "\x1f"))
	}
	f.Fuzz(func(t *testing.T, requests string) {
		c := NewServer(Config{KeySlot: keySlot}).Open("127.0.0.1:50000", "127.0.0.1:6379", nil)
		framer := resp.NewFramer(16 << 20)
		for request := range strings.SplitSeq(requests, "\x1e") {
			args := argv(strings.Split(request, "\x1f")...)
			cmd := command.Lookup(args[0])
			if cmd != nil && cmd.Class != command.Local {
				continue
			}
			reply, effect := c.Answer(nil, cmd, args)
			if len(reply) == 0 {
				// Silent without a reason shows as a reply that stays away
				// although none was asked to.
				if effect&Forward == 0 && !c.off && !c.skipping && !c.skipNext {
					t.Fatalf("%q: no reply", args)
				}
				continue
			}
			if n, err := framer.Next(reply); err != nil || n != len(reply) {
				t.Fatalf("%q: %d of %d bytes are a reply (%v): %q", args, n, len(reply), err, reply)
			}
		}
	})
}
