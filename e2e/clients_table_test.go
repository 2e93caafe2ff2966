//go:build e2e

package e2e

import (
	"fmt"
	"slices"
)

// clientLibrary is a client library and what is known of it: a row of
// docs/CLIENTS.md.
type clientLibrary struct {
	language string
	name     string // also what its driver calls it
	version  string // exactly
	driver   driverFor
	// standalone and cluster are the versions of the protocol to try in each
	// mode; the first is the library's default.
	standalone, cluster []int
	// config and clusterConfig are the lines that say where fsproxy is.
	config, clusterConfig string
	// without lists the checks that the library has no call for: in a mode, or
	// in a version of the protocol ("RESP2").
	without map[string][]string
	// refuses is what the library says when it does not work; empty when it
	// does.
	refuses string
}

// clientRun is one way to use a library.
type clientRun struct {
	mode     string // standalone or cluster
	protocol int    // 2 or 3
}

// runs lists the ways in which c is tried.
func (c clientLibrary) runs() []clientRun {
	var all []clientRun
	for _, protocol := range c.standalone {
		all = append(all, clientRun{"standalone", protocol})
	}
	for _, protocol := range c.cluster {
		all = append(all, clientRun{"cluster", protocol})
	}
	return all
}

// missing lists the checks that c has no call for.
func (c clientLibrary) missing(run clientRun) []string {
	return slices.Concat(c.without[run.mode], c.without[fmt.Sprintf("RESP%d", run.protocol)])
}

// noCluster are the checks that a library does without in cluster mode.
func noCluster(checks ...string) map[string][]string { return map[string][]string{"cluster": checks} }

// nowhere are the checks that a library does without in both modes.
func nowhere(checks ...string) map[string][]string {
	return map[string][]string{"standalone": checks, "cluster": checks}
}

var (
	resp2     = []int{2}
	resp3     = []int{3}
	resp2or3  = []int{2, 3}
	resp3or2  = []int{3, 2}
	goDriver  = compiledDriver("go")
	rust      = compiledDriver("rust")
	cDriver   = compiledDriver("c")
	rubyFile  = scriptDriver("/usr/bin/ruby", "ruby/drive.rb")
	phpFile   = scriptDriver("/usr/bin/php", "php/drive.php")
	perlFile  = scriptDriver("/usr/bin/perl", "perl/drive.pl")
	cliScript = scriptDriver(debianPython, "cli/drive.py")
)

// clientTable is every client library tried.
var clientTable = []clientLibrary{
	{
		language: "C", name: "hiredis", version: "0.14.1", driver: cDriver,
		standalone: resp2,
		config:     `redisConnect("127.0.0.1", 6379)`,
	},
	{
		language: "C", name: "redis-cli", version: "7.0.15", driver: cliScript,
		standalone: resp2or3, cluster: resp2or3,
		config:        `redis-cli -h 127.0.0.1 -p 6379`,
		clusterConfig: `redis-cli -c -h 127.0.0.1 -p 6379`,
		without:       nowhere("pipeline", "pubsub"),
	},
	{
		language: "Go", name: "go-redis", version: "9.23.0", driver: goDriver,
		standalone: resp3or2, cluster: resp3or2,
		config:        `redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})`,
		clusterConfig: `redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:6379"}})`,
	},
	{
		language: "Go", name: "rueidis", version: "1.0.79", driver: goDriver,
		standalone: resp3or2, cluster: resp3or2,
		config:        `rueidis.ClientOption{InitAddress: []string{"127.0.0.1:6379"}, DisableCache: true, ForceSingleClient: true}`,
		clusterConfig: `rueidis.ClientOption{InitAddress: []string{"127.0.0.1:6379"}, DisableCache: true}`,
	},
	{
		language: "Go", name: "rueidis with client-side caching", version: "1.0.79", driver: goDriver,
		standalone: resp3, cluster: resp3,
		refuses: "unknown subcommand",
	},
	{
		language: "Go", name: "redigo", version: "1.9.3", driver: goDriver,
		standalone: resp2,
		config:     `redis.Dial("tcp", "127.0.0.1:6379")`,
	},
	{
		language: "Java", name: "Jedis", version: "8.0.2", driver: javaDriver,
		standalone: resp3or2, cluster: resp3or2,
		config:        `RedisClient.create("127.0.0.1", 6379)`,
		clusterConfig: `RedisClusterClient.create(new HostAndPort("127.0.0.1", 6379))`,
		without:       noCluster("multi"),
	},
	{
		language: "Java", name: "Lettuce", version: "7.7.0.RELEASE", driver: javaDriver,
		standalone: resp3or2, cluster: resp3or2,
		config:        `RedisClient.create("redis://127.0.0.1:6379")`,
		clusterConfig: `RedisClusterClient.create("redis://127.0.0.1:6379")`,
		without:       noCluster("multi"),
	},
	{
		language: "Java", name: "Redisson", version: "4.7.0", driver: javaDriver,
		standalone: resp2or3, cluster: resp2or3,
		config:        `config.useSingleServer().setAddress("redis://127.0.0.1:6379")`,
		clusterConfig: `config.useClusterServers().addNodeAddress("redis://127.0.0.1:6379")`,
	},
	{
		language: "Node.js", name: "ioredis", version: "6.0.0", driver: nodeDriver,
		standalone: resp3or2, cluster: resp3or2,
		config:        `new Redis(6379, "127.0.0.1")`,
		clusterConfig: `new Cluster([{ host: "127.0.0.1", port: 6379 }])`,
	},
	{
		language: "Node.js", name: "node-redis", version: "6.3.1", driver: nodeDriver,
		standalone: resp3or2, cluster: resp3or2,
		config:        `createClient({ url: "redis://127.0.0.1:6379" })`,
		clusterConfig: `createCluster({ rootNodes: [{ url: "redis://127.0.0.1:6379" }] })`,
	},
	{
		language: "Node.js", name: "valkey-glide", version: "2.5.2", driver: nodeDriver,
		standalone: resp3or2, cluster: resp3or2,
		config:        `GlideClient.createClient({ addresses: [{ host: "127.0.0.1", port: 6379 }] })`,
		clusterConfig: `GlideClusterClient.createClient({ addresses: [{ host: "127.0.0.1", port: 6379 }] })`,
		without:       map[string][]string{"RESP2": {"pubsub"}},
	},
	{
		language: "Perl", name: "Redis.pm", version: "2.000", driver: perlFile,
		standalone: resp2,
		config:     `Redis->new(server => "127.0.0.1:6379")`,
	},
	{
		language: "PHP", name: "phpredis", version: "5.3.7", driver: phpFile,
		standalone: resp2, cluster: resp2,
		config:        `$redis->connect("127.0.0.1", 6379)`,
		clusterConfig: `new RedisCluster(null, ["127.0.0.1:6379"])`,
		without:       noCluster("pipeline"),
	},
	{
		language: "PHP", name: "predis", version: "1.1.10", driver: phpFile,
		standalone: resp2, cluster: resp2,
		config:        `new Predis\Client("tcp://127.0.0.1:6379")`,
		clusterConfig: `new Predis\Client(["tcp://127.0.0.1:6379"], ["cluster" => "redis"])`,
		without:       noCluster("multi", "pubsub"),
	},
	{
		language: "Python", name: "redis-py", version: "8.1.0", driver: currentPythonDriver,
		standalone: resp3or2, cluster: resp3or2,
		config:        `redis.Redis(host="127.0.0.1", port=6379)`,
		clusterConfig: `redis.cluster.RedisCluster(host="127.0.0.1", port=6379)`,
	},
	{
		language: "Python", name: "redis-py asyncio", version: "8.1.0", driver: currentPythonDriver,
		standalone: resp3or2, cluster: resp3or2,
		config:        `redis.asyncio.Redis(host="127.0.0.1", port=6379)`,
		clusterConfig: `redis.asyncio.RedisCluster(host="127.0.0.1", port=6379)`,
	},
	{
		language: "Python", name: "redis-py", version: "4.3.4", driver: debianPythonDriver,
		standalone: resp2, cluster: resp2,
		config:        `redis.Redis(host="127.0.0.1", port=6379)`,
		clusterConfig: `redis.cluster.RedisCluster(host="127.0.0.1", port=6379)`,
		without:       noCluster("multi"),
	},
	{
		language: "Python", name: "redis-py asyncio", version: "4.3.4", driver: debianPythonDriver,
		standalone: resp2, cluster: resp2,
		config:        `redis.asyncio.Redis(host="127.0.0.1", port=6379)`,
		clusterConfig: `redis.asyncio.RedisCluster(host="127.0.0.1", port=6379)`,
		without:       noCluster("multi", "pubsub"),
	},
	{
		language: "Ruby", name: "redis-rb", version: "4.8.0", driver: rubyFile,
		standalone: resp2, cluster: resp2,
		config:        `Redis.new(host: "127.0.0.1", port: 6379)`,
		clusterConfig: `Redis.new(cluster: ["redis://127.0.0.1:6379"])`,
	},
	{
		language: "Rust", name: "fred", version: "10.1.0", driver: rust,
		standalone: resp2or3, cluster: resp2or3,
		config:        `Config::from_url("redis://127.0.0.1:6379")`,
		clusterConfig: `Config::from_url("redis-cluster://127.0.0.1:6379")`,
	},
	{
		language: "Rust", name: "redis-rs blocking", version: "1.8.1", driver: rust,
		standalone: resp2or3, cluster: resp2or3,
		config:        `Client::open("redis://127.0.0.1:6379/")`,
		clusterConfig: `ClusterClient::new(["redis://127.0.0.1:6379/"])`,
		without:       noCluster("multi", "pubsub"),
	},
}

// title names a row and its tests.
func (c clientLibrary) title() string { return fmt.Sprintf("%s %s", c.name, c.version) }
