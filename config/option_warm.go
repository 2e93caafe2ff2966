package config

import (
	"fmt"
	"time"
)

// Warm is how a process that starts comes to have in memory what is asked for.
type Warm struct {
	File        string        `mapstructure:"file"`     // "": no snapshots
	Interval    time.Duration `mapstructure:"interval"` // between snapshots; 0: at the end alone
	MaxBytes    Bytes         `mapstructure:"max_bytes"`
	SaveTimeout time.Duration `mapstructure:"save_timeout"`
	LoadTimeout time.Duration `mapstructure:"load_timeout"`
	Peers       []string      `mapstructure:"peers"` // host:port of their admin addresses
	Entities    int           `mapstructure:"entities"`
	Rate        int           `mapstructure:"rate"`   // fetches a second
	Follow      time.Duration `mapstructure:"follow"` // 0: not at all
	Rows        bool          `mapstructure:"rows"`   // are given to peers, and taken from them
	Readiness   time.Duration `mapstructure:"readiness"`
}

const (
	// mostWarmEntities bounds what a peer is asked for at once: some 100 MB of
	// text.
	mostWarmEntities = 1 << 20
	// mostWarmRate is more than a fetcher answers in a second.
	mostWarmRate = 1_000_000
)

func warmOptions() []Option {
	return []Option{
		{
			Key:     "warm.file",
			Form:    words("file", "the path of a file in a directory that may be written to, or empty"),
			Meaning: "Where the rows are kept over a restart of the process, on this machine; empty: nowhere",
		},
		{
			Key: "warm.interval", Default: "1m", Form: durations(0, day),
			Meaning: "How often they are written, besides at the end; 0s: at the end alone",
		},
		{
			Key: "warm.max_bytes", Default: "1GiB", Form: sizes(1<<20, maxSize),
			Meaning: "The file's bound; the coldest rows are left out",
		},
		{
			Key: "warm.save_timeout", Default: "5s", Form: durations(10*time.Millisecond, time.Hour),
			Meaning: "How long writing at the end may take, after drain_timeout; the coldest rows are left out",
		},
		{
			Key: "warm.load_timeout", Default: "30s", Form: durations(10*time.Millisecond, time.Hour),
			Meaning: "How long loading may go on in the background, the hottest rows first, and fetching what is hot where rows cannot be loaded",
		},
		{
			Key:     "warm.peers",
			Form:    maybeEmpty(listOf(checked("address", acceptedDial+" of an admin address; a name may stand for many, as that of a headless Service", checkDial))),
			Meaning: "Processes that serve the same clients: one of them is asked what is hot, which is then fetched from the store; admin.token_file holds their token too; empty: none",
		},
		{
			Key: "warm.entities", Default: "20000", Form: integers(1, mostWarmEntities),
			Meaning: "How many of the hottest entities are fetched at the start, where rows cannot be loaded",
		},
		{
			Key: "warm.rate", Default: "2000", Form: integers(1, mostWarmRate),
			Meaning: "How many fetches a second that may make",
		},
		{
			Key: "warm.follow", Default: "0s", Form: durations(0, day),
			Meaning: "For how long after the start what the peer's clients ask for is fetched here too, within warm.rate; 0s: not at all",
		},
		{
			Key: "warm.rows", Default: "false", Form: boolean(),
			Meaning: "Whether the rows themselves, which are values, are given to a peer that starts and presents the token of admin.token_file, one at a time, and asked of warm.peers before what is hot is fetched",
		},
		{
			Key: "warm.readiness", Default: "0s", Form: durations(0, time.Hour),
			Meaning: "How long at most readiness waits until what is to be loaded and fetched is there; 0s: it does not wait",
		},
	}
}

// checkWarm wants what depends on another option to have it.
func (l *loader) checkWarm() {
	warm := &l.config.Warm
	if warm.Follow > 0 && len(warm.Peers) == 0 {
		l.add("warm.follow", fmt.Sprintf("there is nobody to follow for %s; accepted: warm.peers beside it, or 0s", warm.Follow))
	}
	if warm.Rows && l.config.Admin.TokenFile == "" {
		l.add("warm.rows", "rows are values, and whoever asks for them has to present a token; accepted: admin.token_file beside it, or false")
	}
}
