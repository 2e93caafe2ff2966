package admin

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/cluster"
	"github.com/fsproxy/fsproxy/invalidation"
	"github.com/fsproxy/fsproxy/rollout"
)

const (
	// judgedOver is how many samples, of a second each, count for a verdict on
	// errors: long enough for a glance, short enough to show that it is over.
	judgedOver = 60
	// failingErrors is the share of reads that end in errors at which clients
	// are failing rather than unlucky.
	failingErrors = 0.01
	// quietFor is after how many seconds without an error clients fail no longer.
	quietFor = 10
	// oldTopology is how many refreshes may be missed before the topology is old.
	oldTopology = 3
	// crowdedMemory is the share of the memory limit past which the process is
	// near its end.
	crowdedMemory = 0.95
	// wrongFor is for how long a wrong answer counts: somebody who is called has
	// come by then, and the alert on them has fired.
	wrongFor = 15 * time.Minute
)

// judge gives the verdict on a status and the reasons for it, worst first.
func (s *Server) judge(status *api.Status) (api.Health, []api.Problem) {
	problems := []api.Problem{}
	for _, find := range []func(*api.Status) []api.Problem{s.judgeReady, s.judgeStore, s.judgeFetchers, s.judgeReads, s.judgeClients, s.judgeAnswers, s.judgeSources, s.judgeMemory, s.judgeReload} {
		problems = append(problems, find(status)...)
	}
	slices.SortStableFunc(problems, func(a, b api.Problem) int { return badness(b.Health) - badness(a.Health) })
	if len(problems) == 0 {
		return api.HealthOK, problems
	}
	return problems[0].Health, problems
}

func badness(h api.Health) int {
	return slices.Index([]api.Health{api.HealthOK, api.HealthDegraded, api.HealthFailing}, h)
}

func (s *Server) judgeReady(status *api.Status) []api.Problem {
	if status.Ready {
		return nil
	}
	return []api.Problem{{Health: api.HealthDegraded, What: "not ready for clients: starting or stopping", Do: "wait a moment; if it stays so, the log says what it waits for"}}
}

func (s *Server) judgeStore(*api.Status) []api.Problem {
	t, age := s.sources.Upstream.Topology()
	if t == nil {
		return []api.Problem{{
			Health: api.HealthFailing, What: "the store was not found yet, and reads are answered with an error" + s.why(),
			Do: "check upstream.addresses, upstream.discovery, credentials and the network; it is looked for all the time, and nothing here needs a restart",
		}}
	}
	var problems []api.Problem
	if covered := t.Covered(); covered < cluster.Slots {
		problems = append(problems, api.Problem{
			Health: api.HealthFailing, What: fmt.Sprintf("no fetcher serves %d of %d slots", cluster.Slots-covered, cluster.Slots),
			Do: "mend the cluster, or the topology that the RCM gives out: what is not held of these slots is answered with an error",
		})
	}
	if bound := oldTopology * s.sources.Config().Upstream.RefreshInterval; age > bound {
		problems = append(problems, api.Problem{
			Health: api.HealthDegraded, What: fmt.Sprintf("the topology is %v old: it cannot be read again", age.Round(time.Second)) + s.why(),
			Do: "see that the RCM, or the nodes in upstream.addresses, run and can be reached; the last topology stays in use, and is wrong as soon as fetchers move",
		})
	}
	return problems
}

// why is why the topology could not be read, to be put behind something else.
func (s *Server) why() string {
	if err := s.sources.Upstream.TopologyError(); err != nil {
		return ": " + err.Error()
	}
	return ""
}

// judgeFetchers names those that are out of use, and shards of which all are.
func (s *Server) judgeFetchers(*api.Status) []api.Problem {
	var out []string
	down := map[string]bool{}
	s.sources.Upstream.FetcherStatuses(func(f cluster.FetcherStatus) {
		switch f.State {
		case cluster.StateDown:
			down[f.Addr] = true
			out = append(out, fmt.Sprintf("%s cannot be reached (%s)", f.Addr, f.Why))
		case cluster.StateAside:
			out = append(out, fmt.Sprintf("%s is set aside (%s)", f.Addr, f.Why))
		}
	})
	if len(out) == 0 {
		return nil
	}
	slices.Sort(out)
	const named = 3
	what := strings.Join(out[:min(len(out), named)], ", ")
	if more := len(out) - named; more > 0 {
		what += fmt.Sprintf(" and %d more", more)
	}
	problems := []api.Problem{{
		Health: api.HealthDegraded, What: "fetchers out of use: " + what,
		Do: "look at their process, node and network, and mend or replace them; others of their shards, where there are any, answer meanwhile, and they are taken back by themselves",
	}}
	if t, _ := s.sources.Upstream.Topology(); t != nil {
		problems = append(problems, judgeShards(t, down)...)
	}
	return problems
}

// judgeShards names the shards of which no fetcher can be reached.
func judgeShards(t *cluster.Topology, down map[string]bool) (problems []api.Problem) {
	ranges := t.Ranges()
	for i, shard := range t.Shards {
		if slices.ContainsFunc(shard.Nodes, func(node string) bool { return !down[node] }) {
			continue
		}
		slots := make([]string, len(ranges[i]))
		for j, r := range ranges[i] {
			slots[j] = r.String()
		}
		problems = append(problems, api.Problem{
			Health: api.HealthFailing, What: fmt.Sprintf("no fetcher of shard %d can be reached (slots %s): what is not held of it is answered with an error", i, strings.Join(slots, " ")),
			Do: "start its fetchers again, or have the RCM name others; what is held goes on being answered, and nothing here needs a restart",
		})
	}
	return problems
}

// judgeReads looks at the last minute.
func (s *Server) judgeReads(*api.Status) []api.Problem {
	reads, errors, quiet := 0.0, 0.0, 0
	for _, sample := range s.history.last(judgedOver) {
		reads += sample.Reads
		errors += sample.Errors
		if quiet++; sample.Errors > 0 {
			quiet = 0
		}
	}
	if errors == 0 {
		return nil
	}
	p := api.Problem{
		Health: api.HealthDegraded, What: fmt.Sprintf("%.0f of %.0f reads in the last minute were answered with an error", errors, max(reads, errors)),
		Do: "see which fetcher has errors or time-outs (`fsproxy ctl topology`): one is its own trouble, all of a shard are the store's or the network's; what is held goes on being answered",
	}
	switch {
	case quiet >= quietFor:
		p.Do = "it may be over: see that it stays so"
	case errors > failingErrors*reads:
		p.Health = api.HealthFailing
	}
	if last := s.sources.Proxy.LastFailedRead(); last != nil {
		p.What += fmt.Sprintf(", the last %v ago: %s", time.Since(last.At).Round(time.Second), last.Error)
	}
	return []api.Problem{p}
}

// judgeClients looks at the last minute.
func (s *Server) judgeClients(*api.Status) []api.Problem {
	refused := 0.0
	for _, sample := range s.history.last(judgedOver) {
		refused += sample.Refused
	}
	if refused == 0 {
		return nil
	}
	return []api.Problem{{
		Health: api.HealthFailing, What: fmt.Sprintf("%.0f client connections in the last minute were refused, as limits.max_clients (%d) are open", refused, s.sources.Config().Limits.MaxClients),
		Do: "raise limits.max_clients, which needs no restart; then see whether a service leaks connections: `redis-cli CLIENT LIST` here, which needs one itself, tells their age",
	}}
}

// judgeAnswers looks at what comparisons with the store found wrong lately: worst
// where clients were given it, a warning where they would have been.
func (s *Server) judgeAnswers(*api.Status) []api.Problem {
	given, wouldBe := 0, 0
	feature := ""
	for _, d := range s.sources.Rollout.Differences(mostDifferences) {
		if d.Class != rollout.Wrong.String() || time.Since(d.Time) > wrongFor {
			continue
		}
		switch d.Kind {
		case rollout.KindVerify.String():
			given += seen(d)
		case rollout.KindDryRun.String():
			wouldBe += seen(d)
		default:
			continue // a second store's
		}
		if feature == "" {
			feature = cmp.Or(d.Name, d.Feature)
		}
	}
	const lately = "in the last 15 minutes, the last of the feature "
	var problems []api.Problem
	if given > 0 {
		problems = append(problems, api.Problem{
			Health: api.HealthFailing, What: fmt.Sprintf("%s from memory found wrong "+lately+"%s", values(given), feature),
			Do: "`fsproxy ctl differences` tells which; `fsproxy ctl mode off` stops answering from memory; then see that uploads and producers tell of their changes",
		})
	}
	if wouldBe > 0 {
		problems = append(problems, api.Problem{
			Health: api.HealthDegraded, What: fmt.Sprintf("%s would have been wrong "+lately+"%s", values(wouldBe), feature),
			Do: "do not go live with it yet; `fsproxy ctl differences` tells which, and which source should have told of the change",
		})
	}
	return problems
}

// seen is how many values a difference was found in.
func seen(d api.Difference) int { return max(d.Times, 1) }

func values(n int) string {
	if n == 1 {
		return "1 value"
	}
	return fmt.Sprintf("%d values", n)
}

func (s *Server) judgeSources(*api.Status) []api.Problem {
	var problems []api.Problem
	for _, source := range s.sources.statuses() {
		if source.State == string(invalidation.StateTrusted) {
			continue
		}
		what := fmt.Sprintf("source %s (%s) is %s", source.Name, source.Kind, source.State)
		if source.Suspended {
			what += ": what it covers is fetched each time"
		}
		if source.Error != "" {
			what += ": " + source.Error
		}
		problems = append(problems, api.Problem{Health: api.HealthDegraded, What: what, Do: doAbout(source)})
	}
	return problems
}

// doAbout is what to do about a source that is not trusted.
func doAbout(source api.Source) string {
	see := map[string]string{
		invalidation.KindKafka:    "see that the brokers run, and that the topic is there and may be read",
		invalidation.KindMarkers:  "see that the store answers, and that its key of markers is a hash that may be read",
		invalidation.KindTracking: "see that the store's nodes run and can be reached",
	}[source.Kind]
	if see == "" {
		see = "see that it runs and can be reached"
	}
	switch invalidation.State(source.State) {
	case invalidation.StateStarting:
		return "wait a moment; if it stays so, " + see
	case invalidation.StateLagging:
		see = "it is behind by more than its bound: this Pod may have too little CPU; else " + see
	case invalidation.StateServing:
		see = "old values are served meanwhile, as on_loss allows; " + see
	}
	if source.Suspended {
		see += "; meanwhile answers are right, and the store bears the load"
	}
	return see + "; it is trusted again by itself"
}

func (s *Server) judgeMemory(status *api.Status) []api.Problem {
	if float64(status.Memory.Resident) < crowdedMemory*float64(status.Memory.Limit) {
		return nil
	}
	return []api.Problem{{
		Health: api.HealthDegraded, What: fmt.Sprintf("the process occupies more than %.0f %% of its memory limit", 100*crowdedMemory),
		Do: "lower cache.max_bytes, which needs no restart, or raise the container's limit, before the process is killed for it",
	}}
}

func (s *Server) judgeReload(status *api.Status) []api.Problem {
	if waiting := status.Reload.Restart; status.Reload.OK && len(waiting) > 0 {
		return []api.Problem{{
			Health: api.HealthOK, What: "options that were changed in the configuration file wait for a restart: " + strings.Join(waiting, ", "),
			Do: "restart when it suits, a few Pods at a time; all else in the file is in force",
		}}
	}
	if status.Reload.OK {
		return nil
	}
	return []api.Problem{{
		Health: api.HealthDegraded, What: "the configuration file was not taken over: " + status.Reload.Error,
		Do: "mend the file, which is read again by itself; the old configuration stays in force, but not past a restart",
	}}
}
