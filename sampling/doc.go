// Package sampling keeps a log readable when one thing happens very often: of
// each message only so many lines a while are written, and the next one that is
// written says how many were not.
package sampling
