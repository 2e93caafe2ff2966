// Package snapshot keeps the rows of a cache in a file over a restart.
//
// It promises that a file is whole or not used: it is written beside its place,
// synced and renamed; every block has a checksum, and all are checked before the
// first row is taken over. It promises that a value keeps its true age: its tick
// is carried over by a clock that the machine's start began and nobody sets
// (boot.go); a file of another start, or of another machine, is of no use for
// rows. Whether what is taken over may be served is not decided here, but by the
// sources of invalidations, whose checkpoints are in the file.
//
// Values are there in each form in which rows hold them. A decoded one is taken over
// only from the same build and catalogue. What nobody tells of again is a write
// through the process: it removes the file, and how long it holds fetches down is in
// the next one (Header.Held). docs/CONSISTENCY.md has the whole argument.
//
// Neither writing nor reading holds more than a few blocks in memory.
package snapshot
