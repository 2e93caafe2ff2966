// Package cache holds rows: the values of some features of one entity, in wire
// form, ready to be copied into a reply.
//
// It promises that Lookup gives out only values that are fresh by the rules of
// freshness.go, that a value fetched before an invalidation cannot outlive it
// (marks.go, updates.go), that its memory stays within a bound in bytes, overhead
// included, and that looking up a projection of any number of fields costs one
// probe and a few comparisons.
//
// It knows no socket and no store: the caller fetches what Missing names and
// hands it to Fill. Everything in it may be called from any goroutine. What it
// gives out (rows within Found, projections, features) is immutable or atomic.
package cache
