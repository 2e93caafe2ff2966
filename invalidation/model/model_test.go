package model

import (
	"reflect"
	"strings"
	"testing"
)

// ever is longer than any walk.
const ever = 99

// scenarios are walked whole; together they need every rule.
var scenarios = []Scenario{
	{
		Name: "updates", Updates: 2, Positioned: true,
		Fetch: 2, Bound: ever, Age: ever, Fetches: 2, Evictions: 1, Ticks: 4, B: ever,
	},
	{
		Name: "updates, a fetcher that lags", Updates: 2, Positioned: true, Lag: 1, Settle: 1,
		Fetch: 2, Bound: ever, Age: ever, Fetches: 1, Evictions: 1, Ticks: 5, B: ever,
	},
	{
		Name: "outages of the stream", Updates: 1, Positioned: true,
		Fetch: 1, Bound: 3, Age: ever, Fetches: 1, Outages: 1, Ticks: 5, B: 2,
	},
	{
		Name: "gaps in the stream", Updates: 2, Lag: 1, Settle: 1,
		Fetch: 1, Bound: ever, Age: ever, Fetches: 1, Gaps: 1, Ticks: 4, B: ever,
	},
	{
		Name: "uploads", Uploads: 2, Positioned: true, Lag: 3, Settle: 3, Late: 1,
		Bound: ever, Age: ever, Fetches: 1, Ticks: 6, B: 3,
	},
	{
		Name: "outages of markers", Uploads: 2, Lag: 1, Settle: 1,
		Fetch: 1, Bound: 2, Age: ever, Fetches: 1, Outages: 1, Ticks: 5, B: 2,
	},
	{
		Name: "writes", Writes: 2, Settle: 2, Write: 2,
		Age: ever, Fetches: 1, Evictions: 1, Ticks: 6, B: 0,
	},
	{
		Name: "writes, a fetcher that lags", Writes: 2, Lag: 1, Settle: 1, Write: 2,
		Fetch: 1, Age: ever, Fetches: 2, Ticks: 6, B: 2,
	},
	{
		Name: "changes without a word", Silent: 3, Lag: 1, Settle: 1, Fetch: 1, Age: 2, Fetches: 2, Ticks: 6, B: 2,
	},
	{
		Name: "values put in place, out of order", Updates: 2, Apply: true, Unordered: true,
		Produce: 1, Late: 1, Bound: ever, Age: ever, Fetches: 1, Ticks: 6, B: 1,
	},
	{
		Name: "uploads, stale values served", Uploads: 2, Positioned: true, Lag: 1, Settle: 1, Late: 1, Stale: 2,
		Bound: ever, Age: ever, Fetches: 1, Ticks: 6, B: 2,
	},
	{
		Name: "outages of markers, stale values served", Uploads: 1, Lag: 1, Settle: 1, Stale: 2,
		Bound: 2, Age: ever, Fetches: 1, Outages: 1, Ticks: 5, B: 2,
	},
	{
		Name: "outages of the stream, served for a while", Updates: 1, Positioned: true, Serve: 2,
		Fetch: 1, Bound: 2, Age: ever, Fetches: 1, Outages: 1, Ticks: 6, B: 1 + 2,
	},
	{
		Name: "outages of the stream, served by age", Updates: 1, Positioned: true, Flush: true, Lag: 1, Settle: 1,
		Bound: 1, Age: 2, Fetches: 1, Outages: 1, Ticks: 5, B: 2,
	},
	{
		Name: "a restart, updates", Updates: 1, Positioned: true, Lag: 1, Settle: 1,
		Fetch: 1, Bound: ever, Age: ever, Fetches: 1, Restarts: 1, Ticks: 3, B: ever,
	},
	{
		Name: "a restart, outages of the stream", Updates: 1, Positioned: true,
		Bound: 2, Age: ever, Fetches: 1, Outages: 1, Restarts: 1, Ticks: 3, B: 1,
	},
	{
		Name: "a restart, gaps in the stream", Updates: 1, Positioned: true,
		Bound: ever, Age: ever, Fetches: 1, Gaps: 1, Restarts: 1, Ticks: 2, B: ever,
	},
	{
		Name: "a restart, uploads", Uploads: 1, Positioned: true, Lag: 2, Settle: 2, Late: 1, Stale: 1,
		Bound: ever, Age: ever, Fetches: 1, Restarts: 1, Ticks: 5, B: 3,
	},
	{
		Name: "a restart, values put in place, out of order", Updates: 2, Positioned: true, Apply: true, Unordered: true,
		Produce: 1, Late: 1, Bound: ever, Age: ever, Fetches: 1, Restarts: 1, Ticks: 2, B: 2,
	},
}

func TestNothingServedIsOlderThanPromised(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.Name, func(t *testing.T) {
			r := Walk(s, All())
			t.Logf("%d states, oldest served %d ticks after it was replaced, bound %d", r.States, r.Oldest, s.B)
			if r.Broken != "" {
				t.Fatalf("%s:\n  %s", r.Broken, strings.Join(r.Schedule, "\n  "))
			}
		})
	}
}

// caughtIn says in which scenario a rule is missed, where that is not the first.
var caughtIn = map[string]string{
	"MarkTwice":      "uploads",
	"RepeatEach":     "uploads",
	"HoldDown":       "updates, a fetcher that lags",
	"PositionFirst":  "outages of markers",
	"ForgetFirst":    "outages of markers",
	"GapForgets":     "gaps in the stream",
	"ForgetTwice":    "gaps in the stream",
	"Suspend":        "outages of the stream",
	"HeardWhenAsked": "outages of the stream",
	"HeardWhenRead":  "outages of the stream",
	"WriteBefore":    "writes",
	"WriteAfter":     "writes, a fetcher that lags",
	"VersionNewer":   "values put in place, out of order",
	"LagAgo":         "values put in place, out of order",
	"MaxAge":         "changes without a word",

	"StaleSinceFirst": "uploads, stale values served",
	"StaleUnlessGone": "outages of markers, stale values served",
	"ServeEnds":       "outages of the stream, served for a while",
	"CheckpointFirst": "a restart, updates",
	"FreshOnly":       "a restart, uploads",
	"ReadOn":          "a restart, updates",
	"CaughtUp":        "a restart, outages of the stream",
	"CaughtWhenAsked": "a restart, outages of the stream",
	"Compared":        "a restart, uploads",
	"PendingCarried":  "a restart, uploads",
	"HoldCarried":     "a restart, updates",
	"VersionsUnknown": "a restart, values put in place, out of order",
	"LoadObeys":       "a restart, updates",
	"TrueAge":         "a restart, updates",
}

func TestThePromiseIsBrokenWithoutAnyOneRule(t *testing.T) {
	rules := reflect.TypeFor[Rules]()
	for i := range rules.NumField() {
		rule := rules.Field(i).Name
		t.Run(rule, func(t *testing.T) {
			without := All()
			reflect.ValueOf(&without).Elem().Field(i).SetBool(false)
			in := scenarios[0]
			for _, s := range scenarios {
				if s.Name == caughtIn[rule] {
					in = s
				}
			}
			r := Walk(in, without)
			if r.Broken == "" {
				t.Fatalf("%s: the promise holds without this rule in all of %d states", in.Name, r.States)
			}
			t.Logf("%s, without %s: %s, after %d states:\n  %s", in.Name, rule, r.Broken, r.States, strings.Join(r.Schedule, "\n  "))
		})
	}
}
