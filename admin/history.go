package admin

import (
	"cmp"
	"context"
	"math"
	"sync"
	"time"

	"github.com/fsproxy/fsproxy/admin/api"
)

const (
	// sampleEvery is how often figures are taken: what a person sees as live, and
	// at some 50 µs of work each nothing to the process.
	sampleEvery = time.Second
	// historyLength is how many samples are kept: ten minutes, at 250 bytes each.
	historyLength = 600
	// latencyWindow is how many samples a latency is taken over, so that there is
	// one at few requests a second.
	latencyWindow = 5
)

// history keeps the figures of the last minutes, so that whoever opens the page
// sees them at once.
type history struct {
	gauge gauges
	run   int64 // tells this process from the one before

	mu      sync.Mutex // protects what follows
	samples []api.Sample
	newer   chan struct{} // closed when there is another sample
}

func newHistory(g gauges) *history {
	return &history{gauge: g, run: time.Now().UnixMilli(), newer: make(chan struct{})}
}

// record takes a sample a second until ctx ends.
func (h *history) record(ctx context.Context) {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	before := []reading{h.gauge.read()}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := h.gauge.read()
		h.add(sample(before, now))
		if before = append(before, now); len(before) > latencyWindow {
			before = before[1:]
		}
	}
}

func (h *history) add(s api.Sample) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.ID = 1
	if n := len(h.samples); n > 0 {
		s.ID = h.samples[n-1].ID + 1
	}
	if h.samples = append(h.samples, s); len(h.samples) >= 2*historyLength {
		// In one go, so that most additions move nothing.
		h.samples = append([]api.Sample(nil), h.samples[len(h.samples)-historyLength:]...)
	}
	close(h.newer)
	h.newer = make(chan struct{})
}

// since are the samples after that with id, oldest first; newer is closed when
// there are more. The samples are not to be changed.
func (h *history) since(id uint64) (samples []api.Sample, newer <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	samples = h.samples[max(0, len(h.samples)-historyLength):]
	if n := len(samples); n > 0 && id >= samples[0].ID {
		samples = samples[min(uint64(n), id-samples[0].ID+1):]
	}
	return samples[:len(samples):len(samples)], h.newer
}

// all are the samples kept.
func (h *history) all() api.History {
	samples, _ := h.since(0)
	return api.History{Run: h.run, Samples: append([]api.Sample{}, samples...)}
}

// latest is the newest sample; the zero Sample before there is one.
func (h *history) latest() api.Sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.samples); n > 0 {
		return h.samples[n-1]
	}
	return api.Sample{}
}

// sparse is how many samples old a latency may be that is shown as that of now: few
// of the hits are timed, and at few reads a second none is in most seconds.
const sparse = 20

// recent is the newest sample, with the latencies that it lacks from those before.
func (h *history) recent() api.Sample {
	now := h.latest()
	samples := h.last(sparse)
	for i := len(samples) - 1; i >= 0; i-- {
		before := &samples[i]
		now.HitP50, now.HitP99 = cmp.Or(now.HitP50, before.HitP50), cmp.Or(now.HitP99, before.HitP99)
		now.MissP50, now.MissP99 = cmp.Or(now.MissP50, before.MissP50), cmp.Or(now.MissP99, before.MissP99)
	}
	return now
}

// last are the newest n samples, or as many as there are.
func (h *history) last(n int) []api.Sample {
	samples, _ := h.since(0)
	return samples[max(0, len(samples)-n):]
}

// sample is what happened between the newest of the readings before and now;
// latencies are from the oldest of them.
func sample(before []reading, now reading) api.Sample {
	last, first := before[len(before)-1], before[0]
	seconds := now.at.Sub(last.at).Seconds()
	rate := func(now, last uint64) float64 { return round(float64(now-last) / seconds) }
	s := api.Sample{
		Time:          now.at.UnixMilli(),
		HitRate:       ratio(now.fieldsFromMemory()-last.fieldsFromMemory(), now.fieldsAsked()-last.fieldsAsked()),
		Reads:         rate(now.readsAsked(), last.readsAsked()),
		Hits:          rate(now.reads["hit"], last.reads["hit"]),
		Fields:        rate(now.fieldsAsked(), last.fieldsAsked()),
		Fetches:       rate(now.fetches, last.fetches),
		Bypassed:      rate(now.reads["bypass"], last.reads["bypass"]),
		Errors:        rate(now.errors, last.errors),
		Refused:       rate(now.refused, last.refused),
		CacheBytes:    now.cacheBytes,
		ResidentBytes: now.resident,
		CPU:           round((now.cpu - last.cpu).Seconds() / seconds),
		Connections:   now.connections,
		Lag:           now.lag,
	}
	hit := now.latency["hit"].Minus(first.latency["hit"])
	miss := now.latency["miss"].Plus(now.latency["mixed"]).Minus(first.latency["miss"].Plus(first.latency["mixed"]))
	s.HitP50, s.HitP99 = quantile(hit, 0.5), quantile(hit, 0.99)
	s.MissP50, s.MissP99 = quantile(miss, 0.5), quantile(miss, 0.99)
	return s
}

// ratio is part of all; nil when there is nothing.
func ratio(part, all uint64) *float64 {
	if all == 0 {
		return nil
	}
	r := round(float64(part) / float64(all))
	return &r
}

// round keeps four significant digits: what a chart shows, in few bytes. Hit
// rates near 1 keep the digits of what is missing to 1.
func round(x float64) float64 {
	if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	const digits = 4
	if 0.9 < x && x < 1 {
		return 1 - round(1-x)
	}
	scale := math.Pow(10, digits-math.Ceil(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}
