package pause

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestAPauseLastsAsLongAsItIsAskedTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if !For(t.Context(), time.Minute) || time.Since(began) != time.Minute {
			t.Errorf("it took %s", time.Since(began))
		}
		if !For(t.Context(), -1) || time.Since(began) != time.Minute {
			t.Errorf("a pause of less than nothing took its time")
		}
	})
}

func TestAPauseEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if For(ctx, time.Hour) || time.Since(began) != time.Second {
			t.Errorf("it took %s", time.Since(began))
		}
		if For(ctx, 0) {
			t.Error("it does not tell that the context has ended")
		}
	})
}
