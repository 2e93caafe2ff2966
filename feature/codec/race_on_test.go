//go:build race

package codec

// raced: the race detector is on, and allocations are not what they are.
const raced = true
