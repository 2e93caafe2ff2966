package proxy

import (
	"bytes"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Stats are counts since the start, and the connections of the moment.
type Stats struct {
	HMGET, HGET       [outcomes]uint64
	Fields            [fieldResults]uint64
	Bypassed          [bypassReasons]uint64
	BytesIn, BytesOut uint64

	Connections       int
	Accepted, Refused uint64
	OutputLimit       uint64 // connections closed because the client did not read
	ProtocolErrors    uint64 // malformed requests
	FetchErrors       uint64 // reads answered with an error
	AuthFailures      uint64 // attempts to authenticate that were refused
	StaleOnError      uint64 // stale values served because their fetch failed
	Other             []CommandCount
}

// FailedRead is a read that was answered with an error.
type FailedRead struct {
	At    time.Time
	Error string // what the client was told, shortened; never a value
}

// LastFailedRead is the newest; nil where there was none.
func (s *Server) LastFailedRead() *FailedRead { return s.failed.Load() }

// maxErrorLine is how much of an error is kept to be shown, in bytes: all of
// fsproxy's own, for one fetcher.
const maxErrorLine = 300

// errorLine is what an error of the protocol says.
func errorLine(reply []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimPrefix(reply, []byte("-")), []byte("\r\n"))
	line = bytes.TrimPrefix(line, []byte("ERR fsproxy: "))
	if len(line) > maxErrorLine {
		return strings.ToValidUTF8(string(line[:maxErrorLine]), "") + "…"
	}
	return strings.ToValidUTF8(string(line), "?")
}

// CommandCount counts the commands of one name that did not ask the cache.
type CommandCount struct {
	Command string // lower case; "unknown" for all that are in no table
	Outcome string // "local", "tunnel" or "error"
	Count   uint64
}

// Stats adds up the counts of all connections.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	sum := s.closed
	sum.Connections = len(s.clients)
	for c := range s.clients {
		c.counts.addTo(&sum)
		sum.BytesOut += c.out.Written()
	}
	s.mu.Unlock()
	sum.Accepted, sum.Refused = s.accepted.Load(), s.refused.Load()
	sum.OutputLimit, sum.ProtocolErrors = s.outputLimit.Load(), s.protocolErrors.Load()
	sum.FetchErrors, sum.AuthFailures = s.fetchErrors.Load(), s.authFailures.Load()
	sum.StaleOnError = s.staleOnError.Load()
	sum.Other = s.other.list()
	return sum
}

// Outcomes calls yield with each outcome of HMGET and HGET.
func (s *Stats) Outcomes(yield func(command, outcome string, count uint64)) {
	for i, name := range outcomeNames {
		yield("hmget", name, s.HMGET[i])
		yield("hget", name, s.HGET[i])
	}
	for _, o := range s.Other {
		yield(o.Command, o.Outcome, o.Count)
	}
}

// FieldResults calls yield with each result of a field asked for.
func (s *Stats) FieldResults(yield func(result string, count uint64)) {
	for i, name := range fieldNames {
		yield(name, s.Fields[i])
	}
}

// StaleServed calls yield with each reason for which stale values were served.
func (s *Stats) StaleServed(yield func(reason string, count uint64)) {
	yield("revalidate", s.Fields[fieldStaleHit])
	yield("error", s.StaleOnError)
}

// Bypasses calls yield with each reason for which reads went past the cache.
func (s *Stats) Bypasses(yield func(reason string, count uint64)) {
	for i, name := range bypassNames {
		if name != "" {
			yield(name, s.Bypassed[i])
		}
	}
}

// otherCommands counts commands by name and outcome. Names come from the
// command table, so there are only so many.
type otherCommands struct{ counts sync.Map } // otherKey to *atomic.Uint64

type otherKey struct{ command, outcome string }

func (o *otherCommands) add(command, outcome string) {
	key := otherKey{command, outcome}
	n, ok := o.counts.Load(key)
	if !ok {
		n, _ = o.counts.LoadOrStore(key, new(atomic.Uint64))
	}
	n.(*atomic.Uint64).Add(1)
}

func (o *otherCommands) list() []CommandCount {
	var all []CommandCount
	o.counts.Range(func(k, n any) bool {
		key := k.(otherKey)
		all = append(all, CommandCount{key.command, key.outcome, n.(*atomic.Uint64).Load()})
		return true
	})
	return all
}

// Latency has histograms of how long reads took, in seconds, from when their
// bytes had been read until their replies had been given to the kernel. Hits
// are sampled by reads of a connection.
type Latency struct {
	hit, mixed, miss prometheus.Observer
	vec              *prometheus.HistogramVec
}

// Name and meaning of the latency metric.
const (
	LatencyName = "fsproxy_command_duration_seconds"
	LatencyHelp = "Time from request read to reply sent, of HMGET and HGET by outcome (hit, mixed, miss). Hits are sampled: one read of a connection in 32, if it holds nothing else, as the time that the whole of it took."
)

func newLatency() Latency {
	vec := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: LatencyName,
		Help: LatencyHelp,
		// From a hit of some microseconds to the default fetch timeout and beyond.
		Buckets: []float64{5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.25, 1},
	}, []string{"outcome"})
	return Latency{
		hit:   vec.WithLabelValues(outcomeNames[outcomeHit]),
		mixed: vec.WithLabelValues(outcomeNames[outcomeMixed]),
		miss:  vec.WithLabelValues(outcomeNames[outcomeMiss]),
		vec:   vec,
	}
}

// Latency is the collector of the histograms.
func (s *Server) Latency() prometheus.Collector { return s.latency.vec }
