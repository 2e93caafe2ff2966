package model

import (
	"reflect"
	"strings"
	"testing"
)

// scenarios are walked whole; together they need every rule.
var scenarios = []Scenario{
	{
		Name: "updates, no lag", Updates: 2, Positioned: true,
		Fetch: 2, Bound: 2, Age: 99, Fetches: 2, Evictions: 1, Ticks: 5, B: 2,
	},
	{
		Name: "updates, a fetcher that lags", Updates: 2, Positioned: true, Lag: 1, Settle: 1, Produce: 1,
		Fetch: 1, Bound: 2, Age: 99, Fetches: 1, Ticks: 6, B: 3,
	},
	{
		Name: "outages and gaps", Updates: 2, Lag: 1, Settle: 1,
		Fetch: 1, Bound: 2, Age: 99, Fetches: 1, Outages: 1, Gaps: 1, Ticks: 6, B: 3,
	},
	{
		Name: "uploads", Uploads: 2, Lag: 2, Settle: 2,
		Fetch: 1, Bound: 1, Age: 99, Fetches: 1, Outages: 1, Ticks: 7, B: 3,
	},
	{
		Name: "writes, no lag", Writes: 2, Settle: 2, Write: 2,
		Age: 99, Fetches: 1, Evictions: 1, Ticks: 6, B: 0,
	},
	{
		Name: "writes, a fetcher that lags", Writes: 2, Lag: 1, Settle: 1, Write: 2,
		Fetch: 1, Age: 99, Fetches: 2, Ticks: 6, B: 2,
	},
	{
		Name: "changes without a word", Silent: 3, Lag: 1, Settle: 1, Fetch: 1, Age: 2, Fetches: 2, Ticks: 6, B: 3,
	},
	{
		Name: "values put in place, out of order", Updates: 3, Apply: true, Unordered: true,
		Produce: 1, Fetch: 0, Bound: 1, Age: 99, Fetches: 1, Ticks: 6, B: 2,
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

func TestEachRuleIsNeeded(t *testing.T) {
	rules := reflect.TypeFor[Rules]()
	for i := range rules.NumField() {
		t.Run(rules.Field(i).Name, func(t *testing.T) {
			without := All()
			reflect.ValueOf(&without).Elem().Field(i).SetBool(false)
			caught := false
			for _, s := range scenarios {
				r := Walk(s, without)
				if r.Broken != "" {
					caught = true
					t.Logf("%s: %s:\n  %s", s.Name, r.Broken, strings.Join(r.Schedule, "\n  "))
				}
			}
			if !caught {
				t.Error("the promise holds without it")
			}
		})
	}
}
