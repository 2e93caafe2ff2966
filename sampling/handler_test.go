package sampling

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAFloodIsABurstAWindowAndTheNextLineSaysHowMuchWasLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := slog.New(New(slog.NewTextHandler(&out, nil)))
		for range 1000 {
			log.Warn("flood", "client", "a")
		}
		log.Warn("another")
		log.Info("flood") // of another level: another message
		if n := strings.Count(out.String(), "level=WARN msg=flood"); n != Burst {
			t.Errorf("%d lines of a flood", n)
		}
		if n := strings.Count(out.String(), "msg=another") + strings.Count(out.String(), "level=INFO msg=flood"); n != 2 {
			t.Errorf("%d of the two others", n)
		}
		time.Sleep(Window)
		out.Reset()
		log.With("k", "v").Warn("flood")
		log.Warn("flood")
		if got := out.String(); strings.Count(got, fmt.Sprintf("k=v suppressed=%d", 1000-Burst)) != 1 || strings.Count(got, "suppressed") != 1 {
			t.Errorf("after the window:\n%s", got)
		}
	})
}

func TestWithoutLeavesNothingOut(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(New(slog.NewTextHandler(&out, nil)))
	for range 5 * Burst {
		Without(log).Info("who changed what")
	}
	if n := strings.Count(out.String(), "who changed what"); n != 5*Burst {
		t.Errorf("%d lines", n)
	}
	plain := slog.New(slog.NewTextHandler(&out, nil))
	if Without(plain) != plain {
		t.Error("a logger that leaves nothing out was changed")
	}
}

func TestMessagesAreBounded(t *testing.T) {
	h := New(slog.DiscardHandler)
	for i := range 5 * maxMessages {
		h.counts.note(message{text: fmt.Sprint(i)}, time.Now())
	}
	if n := len(h.counts.messages); n > maxMessages {
		t.Errorf("%d messages are known", n)
	}
}
