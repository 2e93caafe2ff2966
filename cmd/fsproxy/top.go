package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/admin/client"
)

const topHelp = `Shows what a running fsproxy does, live, as its page does: how much is answered
from memory, throughput, latency, memory, its fetchers, what tells it of new
values, and the features that are asked for most. Ctrl-C ends it.

Where the output is no terminal, a line is printed each second.`

func newTopCommand() *cobra.Command {
	var flags adminFlags
	var once bool
	cmd := &cobra.Command{
		Use:     "top",
		Short:   "Show what a running fsproxy does, live in the terminal",
		Long:    topHelp,
		Example: "  fsproxy top\n  kubectl exec POD -c fsproxy -- fsproxy top --once",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			asker, err := flags.client()
			if err != nil {
				return err
			}
			defer asker.Close()
			out := cmd.OutOrStdout()
			if once {
				return flags.refused(topOnce(cmd.Context(), asker, out))
			}
			if _, _, isTerminal := terminalSize(out); !isTerminal {
				return flags.refused(topLines(cmd.Context(), asker, out))
			}
			return flags.refused(topScreen(cmd.Context(), asker, out))
		},
	}
	flags.add(cmd.Flags())
	cmd.Flags().BoolVar(&once, "once", false, "print one frame and end, for scripts")
	return cmd
}

// topFeatures is how many features are asked for.
const topFeatures = 50

// topOnce prints what is now, and ends.
func topOnce(ctx context.Context, asker *client.Client, out io.Writer) error {
	var f frame
	var past api.History
	for path, answer := range map[string]any{
		api.PathStatus: &f.status, api.PathTopology: &f.topology, api.PathSources: &f.sources,
		api.PathFeatures: &f.features, api.PathHistory: &past,
	} {
		if err := asker.Get(ctx, path, nil, answer); err != nil {
			return err
		}
	}
	f.samples = past.Samples
	const width = 100
	for _, line := range f.lines(width, 0) {
		fmt.Fprintln(out, line)
	}
	return nil
}

// topLines prints a line a sample until ctx ends.
func topLines(ctx context.Context, asker *client.Client, out io.Writer) error {
	lately := make([]api.Sample, 0, keptSamples)
	latency := func(of func(*api.Sample) *float64) string {
		values := make([]*float64, len(lately))
		for i := range lately {
			values[i] = of(&lately[i])
		}
		bridge(lately, values)
		return shortTime(values[len(values)-1])
	}
	fmt.Fprintln(out, "TIME      READS/S  MEMORY  FETCHES/S  ERRORS/S  HIT P50  MISS P50  MISS P99     CACHE   CPU")
	err := asker.Events(ctx, func(e client.Event) error {
		var s api.Sample
		if e.Name != "sample" || json.Unmarshal(e.Data, &s) != nil {
			return nil
		}
		lately = append(lately, s)
		lately = lately[max(0, len(lately)-keptSamples):]
		_, err := fmt.Fprintf(out, "%s  %7s  %6s  %9s  %8s  %7s  %8s  %8s  %8s  %.2f\n", time.UnixMilli(s.Time).Format("15:04:05"), shortCount(s.Reads), share(s.HitRate),
			shortCount(s.Fetches), shortCount(s.Errors), latency(func(s *api.Sample) *float64 { return s.HitP50 }), latency(func(s *api.Sample) *float64 { return s.MissP50 }),
			latency(func(s *api.Sample) *float64 { return s.MissP99 }), shortBytes(s.CacheBytes), s.CPU)
		return err
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// What terminals understand.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // another screen, no cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// topRetry is how long after the end of a stream the next is asked for.
const topRetry = time.Second

// topScreen draws a frame a second until ctx ends. A process that is away is
// waited for, if it was there at first.
func topScreen(ctx context.Context, asker *client.Client, out io.Writer) error {
	var f frame
	if err := asker.Get(ctx, api.PathStatus, nil, &f.status); err != nil {
		return err
	}
	fmt.Fprint(out, enterScreen)
	defer fmt.Fprint(out, leaveScreen)
	for ctx.Err() == nil {
		err := asker.Events(ctx, func(e client.Event) error {
			f.away = ""
			if f.take(e) {
				f.askFeatures(ctx, asker)
				f.draw(out)
			}
			return nil
		})
		if ctx.Err() != nil {
			break
		}
		f.away = err.Error()
		f.draw(out)
		select {
		case <-ctx.Done():
		case <-time.After(topRetry):
		}
	}
	return nil
}

// askFeatures asks for what does not come with the events, as it may be long. Where
// there is no answer, what was there stays.
func (f *frame) askFeatures(ctx context.Context, asker *client.Client) {
	var now api.Features // anew: what an answer leaves out would keep what was there
	if err := asker.Get(ctx, api.PathFeatures, nil, &now); err == nil {
		f.features = now
	}
}

// draw writes the frame over the one before.
func (f *frame) draw(out io.Writer) {
	width, height, _ := terminalSize(out)
	screen := home
	lines := f.lines(width, height)
	for i, line := range lines {
		screen += line + clearLine
		if i < len(lines)-1 {
			screen += "\r\n"
		}
	}
	_, _ = io.WriteString(out, screen+clearBelow)
}

// terminalSize is the columns and rows of a terminal; a usual one's where the
// system does not tell.
func terminalSize(out io.Writer) (columns, rows int, isTerminal bool) {
	const usualColumns, usualRows = 100, 30
	file, isFile := out.(*os.File)
	if !isFile {
		return usualColumns, usualRows, false
	}
	if columns, rows, ok := windowSize(file); ok {
		return columns, rows, true
	}
	info, err := file.Stat()
	return usualColumns, usualRows, err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != ""
}
