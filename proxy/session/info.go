package session

import (
	"fmt"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/fsproxy/fsproxy/resp"
)

var infoHandlers = map[string]handler{"info": info}

// infoSection is a section of INFO and its own lines; Config.Info may add some.
type infoSection struct {
	name, title string
	fields      func(s *Server, c *Session) []Field
}

// infoSections are all that INFO without arguments answers, in Redis' order.
// Redis has "loading" in persistence and "role" in replication: clients look
// for them when they connect.
var infoSections = []infoSection{
	{"server", "Server", serverInfo},
	{"clients", "Clients", clientsInfo},
	{"memory", "Memory", memoryInfo},
	{"persistence", "Persistence", func(*Server, *Session) []Field {
		return []Field{{"loading", "0"}, {"async_loading", "0"}, {"rdb_bgsave_in_progress", "0"}, {"aof_enabled", "0"}}
	}},
	{"stats", "Stats", func(s *Server, _ *Session) []Field {
		return []Field{{"total_connections_received", strconv.FormatInt(s.accepted.Load(), 10)}}
	}},
	{"replication", "Replication", replicationInfo},
	{"cpu", "CPU", cpuInfo},
	{"cluster", "Cluster", func(*Server, *Session) []Field { return []Field{{"cluster_enabled", "1"}} }},
	{"keyspace", "Keyspace", nil},
	{"fsproxy", "Fsproxy", nil},
}

// storeSections are those that only the store can fill. Asked for alone they
// are passed on; asked for with others they are left out (keyspace: empty).
var storeSections = []string{"keyspace", "commandstats", "errorstats", "latencystats", "modules"}

// info is INFO [section …]. Unknown sections add nothing, as in Redis.
func info(c *Session, out []byte, args [][]byte) ([]byte, Effect) {
	wanted := map[string]bool{}
	forTheStore := len(args) > 1
	for _, arg := range args[1:] {
		name := strings.ToLower(string(arg))
		forTheStore = forTheStore && slices.Contains(storeSections, name)
		wanted[name] = true
	}
	if forTheStore {
		return out, Forward
	}
	all := len(args) == 1 || wanted["default"] || wanted["all"] || wanted["everything"]
	var b strings.Builder
	for _, section := range infoSections {
		if all || wanted[section.name] {
			section.write(&b, c)
		}
	}
	return resp.AppendVerbatim(out, c.Proto, b.String()), 0
}

func (s *infoSection) write(b *strings.Builder, c *Session) {
	var fields []Field
	if s.fields != nil {
		fields = s.fields(c.server, c)
	}
	if c.server.config.Info != nil {
		fields = append(fields, c.server.config.Info(s.name)...)
	}
	if b.Len() > 0 {
		b.WriteString("\r\n")
	}
	fmt.Fprintf(b, "# %s\r\n", s.title)
	for _, f := range fields {
		fmt.Fprintf(b, "%s:%s\r\n", f.Name, f.Value)
	}
}

func serverInfo(s *Server, c *Session) []Field {
	now := s.config.Now()
	up := int64(now.Sub(s.started).Seconds())
	_, port := c.address()
	return []Field{
		{"redis_version", s.version()},
		{"redis_mode", "standalone"},
		{"os", runtime.GOOS + " " + runtime.GOARCH},
		{"arch_bits", strconv.Itoa(strconv.IntSize)},
		{"process_id", strconv.Itoa(os.Getpid())},
		{"run_id", s.runID},
		{"tcp_port", strconv.Itoa(port)},
		{"server_time_usec", strconv.FormatInt(now.UnixMicro(), 10)},
		{"uptime_in_seconds", strconv.FormatInt(up, 10)},
		{"uptime_in_days", strconv.FormatInt(up/86400, 10)},
	}
}

func clientsInfo(s *Server, _ *Session) []Field {
	fields := []Field{
		{"connected_clients", strconv.Itoa(s.Clients())},
		{"blocked_clients", "0"},
		{"tracking_clients", "0"},
	}
	if s.config.MaxClients != nil {
		fields = append(fields, Field{"maxclients", strconv.Itoa(s.config.MaxClients())})
	}
	return fields
}

// memoryInfo is of the proxy's own process.
func memoryInfo(*Server, *Session) []Field {
	const mapped, released = "/memory/classes/total:bytes", "/memory/classes/heap/released:bytes"
	samples := []metrics.Sample{{Name: mapped}, {Name: released}}
	metrics.Read(samples)
	used := samples[0].Value.Uint64() - samples[1].Value.Uint64()
	return []Field{
		{"used_memory", strconv.FormatUint(used, 10)},
		{"used_memory_human", fmt.Sprintf("%.2fM", float64(used)/(1<<20))},
		{"maxmemory", "0"},
		{"maxmemory_policy", "noeviction"},
	}
}

func replicationInfo(s *Server, _ *Session) []Field {
	return []Field{
		{"role", "master"},
		{"connected_slaves", "0"},
		{"master_failover_state", "no-failover"},
		{"master_replid", s.runID},
		{"master_repl_offset", "0"},
	}
}

// cpuInfo is of the proxy's own process, in seconds.
func cpuInfo(*Server, *Session) []Field {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return nil // a system without the figures
	}
	seconds := func(t syscall.Timeval) string { return fmt.Sprintf("%d.%06d", t.Sec, t.Usec) }
	return []Field{{"used_cpu_sys", seconds(u.Stime)}, {"used_cpu_user", seconds(u.Utime)}}
}
