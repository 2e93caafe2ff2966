// Package rollout decides which reads are answered from memory, and compares
// what memory would answer, or has answered, with what the store says.
//
// Rules (rules.go) are tried in their order; each names features and entities,
// and what is done with them. What a projection's features come to is worked out
// once (decision.go), so that a read costs a comparison where no rule depends on
// its entity.
//
// A read in dry-run is answered by the store, and nobody waits for what happens
// beside it: Consult looks into the cache as live would, at the moment at which
// live would; a worker then compares that with the store's answer, and fills the
// cache with what live would have fetched (compare.go). A difference is judged
// when the bound that the promise gives has passed, by asking the same fetcher
// and others again (judge.go). Verification of answers from memory, and a second
// store (shadow.go), go the same way.
//
// Everything that waits is bounded, and what there is no room for is counted.
// Nothing here may delay a client: what the proxy calls never blocks.
package rollout
