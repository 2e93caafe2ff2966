// Package model is the freshness of fsproxy made small enough to walk whole: a
// store of one value and a fetcher that lags behind it, a cache of one row, its
// fetches and their joiners, a stream of updates that may fail and forget, markers
// that are polled, and a snapshot that the next process goes on from. Every step of
// each happens between any two of the others, in every order, within the bounds of
// a Scenario; Walk visits each state once and looks for an answer that the promise
// forbids:
//
//   - older than the bound: no longer the store's value since more than B ticks;
//   - wrong at rest: asked for when all that changed had been told of and the
//     fetchers had had their settle, and yet not the store's value.
//
// Each rule that the promise rests on is a switch. The tests turn every one off
// and want to see the walk find such an answer: a rule without which nothing
// goes wrong would be no rule.
//
// It is a model of the rules, not of the code: cache/interleaving_test.go drives
// the code itself through orders of the same steps.
package model
