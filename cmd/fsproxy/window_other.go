//go:build !unix

package main

import "os"

// windowSize is not known here.
func windowSize(*os.File) (columns, rows int, ok bool) { return 0, 0, false }
