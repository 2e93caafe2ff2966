package cache

import "unsafe"

// Same tells whether f and other found the same row, not merely an equal one.
// Rows are replaced whole and f keeps its own alive, so a row that is found
// twice was there all the time between.
func (f *Found) Same(other *Found) bool {
	return len(f.row) == len(other.row) && unsafe.StringData(string(f.row)) == unsafe.StringData(string(other.row))
}
