//go:build !unix

package admin

import "time"

// usage is not told by this system in a way that is read here.
func usage() (cpu time.Duration, resident int64) { return 0, 0 }
