package main

import "time"

// finishTimeout is how long requests in flight may take to finish when the last
// open connection is closed.
const finishTimeout = 5 * time.Second
