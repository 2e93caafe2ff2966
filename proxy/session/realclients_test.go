package session

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"github.com/fsproxy/fsproxy/proxy/command"
	"github.com/fsproxy/fsproxy/resp"
)

// serve answers every request with a Session of s until the test ends, and
// returns the address.
func serve(t *testing.T, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { serveConn(s, conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		for _, c := range s.list() {
			c.kill()
		}
		wg.Wait()
	})
	return l.Addr().String()
}

func serveConn(s *Server, conn net.Conn) {
	defer conn.Close()
	c := s.Open(conn.RemoteAddr().String(), conn.LocalAddr().String(), func() { conn.Close() })
	defer c.Close()
	parser := resp.NewParser(resp.DefaultLimits)
	var in, out []byte
	part := make([]byte, 4096)
	for {
		n, err := conn.Read(part)
		if err != nil {
			return
		}
		in = append(in, part[:n]...)
		var effect Effect
		for effect&Close == 0 {
			n, err := parser.Next(in)
			if n == 0 || err != nil {
				break
			}
			args := parser.Args()
			if out, effect = c.Answer(out, command.Lookup(args[0]), args); effect&Forward != 0 {
				out = resp.AppendError(out, "ERR no store")
			}
			in = in[n:]
		}
		if _, err := conn.Write(out); err != nil || effect&Close != 0 {
			return
		}
		out = out[:0]
	}
}

func TestGoRedisReadsTheReplies(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Run("clients", func(t *testing.T) {
		address := serve(t, NewServer(Config{KeySlot: keySlot}))
		for _, protocol := range []int{2, 3} {
			client := redis.NewClient(&redis.Options{Addr: address, Protocol: protocol, ClientName: "app", Username: "someone", Password: "pw", DB: 3})
			defer client.Close()
			goRedisStandalone(t, client)
			cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{address}, Protocol: protocol})
			defer cluster.Close()
			goRedisCluster(t, cluster, address)
		}
	})
}

func goRedisStandalone(t *testing.T, client *redis.Client) {
	t.Helper()
	ctx := context.Background()
	if err := client.Ping(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	if name, err := client.ClientGetName(ctx).Result(); err != nil || name != "app" {
		t.Errorf("name %q, %v", name, err)
	}
	if infos, err := client.Command(ctx).Result(); err != nil || len(infos) != command.Count() || infos["hmget"].FirstKeyPos != 1 {
		t.Errorf("COMMAND: %d, %v", len(infos), err)
	}
	if keys, err := client.CommandGetKeys(ctx, "mset", "a", 1, "b", 2).Result(); err != nil || len(keys) != 2 {
		t.Errorf("COMMAND GETKEYS: %v, %v", keys, err)
	}
	if names, err := client.CommandList(ctx, &redis.FilterBy{Pattern: "hmg*"}).Result(); err != nil || len(names) != 1 {
		t.Errorf("COMMAND LIST: %v, %v", names, err)
	}
	if info, err := client.ClientInfo(ctx).Result(); err != nil || info.Name != "app" || info.DB != 3 || info.User != "someone" || info.LibName == "" {
		t.Errorf("CLIENT INFO: %+v, %v", info, err)
	}
	if info, err := client.InfoMap(ctx, "replication").Result(); err != nil || info["Replication"]["role"] != "master" {
		t.Errorf("INFO: %v, %v", info, err)
	}
	if save, err := client.ConfigGet(ctx, "save").Result(); err != nil || len(save) != 1 {
		t.Errorf("CONFIG GET: %v, %v", save, err)
	}
	if now, err := client.Time(ctx).Result(); err != nil || now.IsZero() {
		t.Errorf("TIME: %v, %v", now, err)
	}
	if err := client.Do(ctx, "command", "docs").Err(); err != nil {
		t.Errorf("COMMAND DOCS: %v", err)
	}
}

func goRedisCluster(t *testing.T, client *redis.ClusterClient, address string) {
	t.Helper()
	ctx := context.Background()
	if err := client.Ping(ctx).Err(); err != nil {
		t.Fatal(err)
	}
	if err := client.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
		if node.Options().Addr != address {
			t.Errorf("CLUSTER SLOTS: a node at %s", node.Options().Addr)
		}
		return nil
	}); err != nil {
		t.Errorf("CLUSTER SLOTS: %v", err)
	}
	if shards, err := client.ClusterShards(ctx).Result(); err != nil || len(shards) != 1 || shards[0].Nodes[0].Role != "master" || shards[0].Slots[0].End != 16383 {
		t.Errorf("CLUSTER SHARDS: %+v, %v", shards, err)
	}
	if slot, err := client.ClusterKeySlot(ctx, "foo").Result(); err != nil || slot != 12182 {
		t.Errorf("CLUSTER KEYSLOT: %v, %v", slot, err)
	}
	// A command with a key goes to the node that the client believes in.
	if err := client.Get(ctx, "k").Err(); err == nil || err.Error() != "ERR no store" {
		t.Errorf("GET: %v", err)
	}
}

func TestRueidisReadsTheReplies(t *testing.T) {
	defer goleak.VerifyNone(t)
	t.Run("clients", func(t *testing.T) {
		address := serve(t, NewServer(Config{}))
		for name, option := range map[string]rueidis.ClientOption{
			"default":    {},
			"standalone": {ForceSingleClient: true},
			"RESP2":      {AlwaysRESP2: true, ForceSingleClient: true},
		} {
			option.InitAddress, option.DisableCache = []string{address}, true
			client, err := rueidis.NewClient(option)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			ctx := context.Background()
			if err := client.Do(ctx, client.B().Ping().Build()).Error(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if err := client.Do(ctx, client.B().Get().Key("k").Build()).Error(); err == nil || err.Error() != "no store" {
				t.Errorf("%s: GET: %v", name, err)
			}
			client.Close()
		}
	})
}
