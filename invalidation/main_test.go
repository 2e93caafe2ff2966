package invalidation

import (
	"testing"

	"go.uber.org/goleak"
)

// Every goroutine has an owner that waits for it: when the tests are done none
// may be left.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
