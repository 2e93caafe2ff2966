//go:build race

package cache

// raced: the race detector is on, and all takes ten times as long.
const raced = true
