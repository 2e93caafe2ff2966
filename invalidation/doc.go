// Package invalidation says when values in memory are no longer the store's:
// by the markers of batch uploads, by a stream of real-time updates (in the
// package kafka below it), by the store's own tracking, and by hand.
//
// Each source has a [Guard], which knows whether the source can be trusted, and
// keeps what it covers from being served from memory where it cannot. Together
// they keep the promise of docs/CONSISTENCY.md: no value older than a bound.
//
// The package decides what is forgotten and when; how that is done is the
// business of a [Memory]. No wall clock takes part in a decision.
package invalidation
