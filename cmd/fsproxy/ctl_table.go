package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/fsproxy/fsproxy/admin/api"
)

// The tables that ctl prints.

func writeStatus(out *tabwriter.Writer, s api.Status) {
	row := func(name, format string, args ...any) { fmt.Fprintf(out, name+"\t"+format+"\n", args...) }
	row("health", "%s", s.Health)
	for _, p := range s.Problems {
		verdict := string(p.Health)
		if p.Health == api.HealthOK {
			verdict = "note"
		}
		row("  "+verdict, "%s", strings.ReplaceAll(p.What, "\n", "\n\t"))
		row("", "-> %s", p.Do)
	}
	row("mode", "%s%s", s.Mode, rulesNote(s))
	row("rules", "%d before the default one, version %s", s.Rules, s.RulesVersion)
	row("version", "%s (%s, %s)", s.Build.Version, s.Build.Commit, s.Build.Go)
	row("host", "%s, up %s", s.Host, shortTime(&s.UptimeSeconds))
	if s.Store.Kind == "" {
		row("store", "not found yet")
	} else {
		row("store", "%s, version %s, %d fetchers, topology %s old", s.Store.Kind, cmp.Or(s.Store.Version, "not known"), s.Store.Fetchers, shortTime(&s.Store.AgeSeconds))
	}
	row("from memory", "%s of fields now, %s since the start", share(s.Now.HitRate), share(s.Totals.HitRate))
	row("reads", "%s/s, %s/s of them not asked of the store; %s avoided since the start", shortCount(s.Now.Reads), shortCount(s.Now.Hits), shortCount(float64(s.Totals.ReadsAvoided)))
	row("errors", "%s/s, %d since the start", shortCount(s.Now.Errors), s.Totals.ReadErrors)
	row("latency", "hit p50 %s p99 %s, miss p50 %s p99 %s", shortTime(s.Now.HitP50), shortTime(s.Now.HitP99), shortTime(s.Now.MissP50), shortTime(s.Now.MissP99))
	row("cache", "%s of %s, %d entities, %d values", shortBytes(s.Memory.Cache), shortBytes(s.Memory.CacheMax), s.Memory.Rows, s.Memory.Values)
	row("process", "%.2f cores, %s of %s (%s)", s.Now.CPU, shortBytes(s.Memory.Resident), shortBytes(s.Memory.Limit), s.Memory.LimitFrom)
	row("clients", "%d, %d refused since the start", s.Connections.Open, s.Connections.Refused)
	writeComparison(row, s.Comparison)
	if s.Shadow != nil {
		row("shadow", "%s: %g %% of the fetches are repeated there", strings.Join(s.Shadow.Addresses, " "), s.Shadow.Percent)
	}
}

// rulesNote tells of rules beside the mode.
func rulesNote(s api.Status) (note string) {
	if s.Rules > 0 {
		note = fmt.Sprintf(", after %d rules", s.Rules)
	}
	if s.SetByHand {
		note += "; set by hand, not by the configuration"
	}
	return note
}

// writeComparison gives row what came of comparing, if anything did.
func writeComparison(row func(name, format string, args ...any), c *api.Comparison) {
	if c == nil {
		return
	}
	row("compared", "%d match, %d spelling, %d stale within the promise, %d replica noise, %d wrong; %d not compared",
		c.Compared["match"], c.Compared["spelling"], c.Compared["stale_within_promise"], c.Compared["replica_noise"], c.Compared["wrong"], c.Dropped)
	if p := c.Projected; p != nil {
		row("live would", "answer %s of fields from memory, spare the store %s of reads, hold %s (of %d reads in dry-run)",
			share(&p.HitRate), share(&p.Avoided), shortBytes(p.CacheSize), p.Reads)
	}
}

func writeConfig(out *tabwriter.Writer, c api.Config) {
	fmt.Fprintln(out, "OPTION\tVALUE\tFROM\tCHANGES")
	for _, o := range c.Options {
		when := "at a restart"
		if o.Reloadable {
			when = "at run time"
		}
		if o.Waiting {
			when = "waits for a restart"
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", o.Key, orUnknown(o.Value), o.Origin, when)
	}
}

func writeTopology(out *tabwriter.Writer, t api.Topology) {
	fmt.Fprintln(out, "SHARD\tSLOTS\tNODES")
	for i, shard := range t.Shards {
		fmt.Fprintf(out, "%d\t%s\t%s\n", i, strings.Join(shard.Slots, " "), strings.Join(shard.Nodes, " "))
	}
	if uncovered := t.Slots - t.Covered; t.Kind != "" && uncovered > 0 {
		fmt.Fprintf(out, "\nno fetcher serves %d of %d slots: reads of theirs fail\n", uncovered, t.Slots)
	}
	fmt.Fprintln(out, "\nFETCHER\tSHARDS\tSTATE\tLATENCY\tIN FLIGHT\tFETCHES\tERRORS\tTIMEOUTS\tSET ASIDE\tWHY")
	for _, f := range t.Fetchers {
		shards := make([]string, len(f.Shards))
		for i, shard := range f.Shards {
			shards[i] = strconv.Itoa(shard)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", f.Address, strings.Join(shards, ","), f.State, shortTime(f.LatencySeconds),
			f.Outstanding, f.Fetches, f.Errors, f.Timeouts, f.Ejections, f.Why)
	}
}

func writeFeatures(out *tabwriter.Writer, f api.Features) {
	fmt.Fprintln(out, "FIELD\tNAME\tASKED\tFROM MEMORY\tHELD ABOUT\tBYTES ABOUT\tINVALIDATED\tSTATE\tRULE")
	for _, feature := range f.Features {
		fmt.Fprintf(out, "%s\t%s\t%d\t%s\t%d\t%s\t%s\t%s\t%s\n", feature.Field, orUnknown(feature.Name), feature.Hits+feature.Misses, share(feature.HitRate),
			feature.Values, shortBytes(feature.Bytes), ago(feature.InvalidatedSeconds), featureState(feature), feature.Rule)
	}
	if f.Matched > len(f.Features) {
		fmt.Fprintf(out, "%d more\n", f.Matched-len(f.Features))
	}
}

func featureState(f api.Feature) string {
	switch {
	case f.Suspended:
		return "suspended"
	case !f.Kept:
		return "never kept"
	case f.Undecoded > 0:
		return fmt.Sprintf("kept, %d not decoded", f.Undecoded)
	}
	return "kept"
}

func writeEntity(out *tabwriter.Writer, e api.Entity) {
	fmt.Fprintf(out, "slot %d, shard %d, nodes %s\n", e.Slot, e.Shard, strings.Join(e.Nodes, " "))
	if !e.Held {
		fmt.Fprintln(out, "nothing is held of it")
		return
	}
	fmt.Fprintf(out, "%d values in %s, the last from %s\n", len(e.Values), shortBytes(int64(e.Bytes)), cmp.Or(e.FilledFrom, "an earlier process"))
	fmt.Fprintln(out, "FIELD\tNAME\tFORM\tBYTES\tAGE\tSERVED\tWHY")
	for _, v := range e.Values {
		size := strconv.Itoa(v.Bytes)
		if v.Missing {
			size = "none"
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%t\t%s\n", v.Field, orUnknown(v.Name), v.Form, size, shortTime(&v.AgeSeconds), v.Served, v.Why)
	}
}

func writeHottest(out *tabwriter.Writer, list []api.Hot) {
	fmt.Fprintln(out, "ENTITY\tVALUES\tBYTES")
	for _, hot := range list {
		name := hot.Entity
		if hot.EntityBase64 != "" {
			name = hot.EntityBase64 + " (base64)"
		}
		fmt.Fprintf(out, "%s\t%d\t%s\n", name, hot.Values, shortBytes(int64(hot.Bytes)))
	}
}

func writeSources(out *tabwriter.Writer, list []api.Source) {
	fmt.Fprintln(out, "SOURCE\tKIND\tSTATE\tSINCE\tLAG\tRECORDS\tHEARD\tGAPS\tON LOSS\tCOVERS\tERROR")
	for _, s := range list {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%d\t%s\t%d\t%s\t%s\t%s\n", s.Name, s.Kind, s.State, shortTime(&s.SinceSeconds), shortTime(&s.LagSeconds), s.LagRecords,
			ago(s.LastHeardSeconds), s.Gaps, s.OnLoss, strings.Join(s.Covers, ","), s.Error)
	}
}

func writeDifferences(out *tabwriter.Writer, list []api.Difference) {
	fmt.Fprintln(out, "TIME\tKIND\tCLASS\tENTITY\tFEATURE\tAGE\tLASTED\tSOURCE\tMEMORY\tSTORE")
	for _, d := range list {
		feature := d.Feature
		if d.Name != "" {
			feature += " (" + d.Name + ")"
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.Time.Format("15:04:05"), d.Kind, d.Class, d.Entity, feature,
			shortTime(&d.AgeSeconds), shortTime(&d.LastedSeconds), orUnknown(d.Source), orText(d.Cached, d.CachedHash), orText(d.Stored, d.StoredHash))
	}
}

func writeRules(out *tabwriter.Writer, list []api.Rule) {
	fmt.Fprintln(out, "RULE\tMODE\tPERCENT\tVERIFY\tMATCH\tSTALE\tNOISE\tWRONG\tFEATURES\tENTITIES")
	all := func(patterns []string) string {
		if len(patterns) == 0 {
			return "all"
		}
		return strings.Join(patterns, " ")
	}
	for _, r := range list {
		fmt.Fprintf(out, "%s\t%s\t%g\t%g\t", r.Name, r.Mode, r.Percent, r.VerifyRate)
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t", comparedColumns(r)...)
		fmt.Fprintf(out, "%s\t%s\n", all(r.Features), all(r.Entities))
	}
}

func writeChanges(out *tabwriter.Writer, list []api.Change) {
	fmt.Fprintln(out, "TIME\tWHAT\tBY\tFROM")
	for _, c := range list {
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", c.Time.Format("2006-01-02 15:04:05"), c.What, c.By, c.From)
	}
}

func orText(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func orUnknown(text string) string {
	if text == "" {
		return unknown
	}
	return text
}
