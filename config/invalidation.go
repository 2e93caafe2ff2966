package config

import (
	"fmt"
	"strings"
	"time"
)

// Invalidation is how values in memory are found to be no longer the store's.
type Invalidation struct {
	Markers  []Marker `mapstructure:"markers"`
	Kafka    Kafka    `mapstructure:"kafka"`
	Tracking Tracking `mapstructure:"tracking"`

	// StaleWhileRevalidate is how long after a marker the old value may be
	// served while it is fetched anew. The promise grows by it.
	StaleWhileRevalidate time.Duration `mapstructure:"stale_while_revalidate"`
}

// OnLoss says what is done with what a source of invalidations covers while the
// source cannot be trusted.
type OnLoss string

// The ways to act on a loss.
const (
	OnLossBypass OnLoss = "bypass" // fetch it each time, keep nothing
	OnLossServe  OnLoss = "serve"  // go on for ServeFor, then bypass
	OnLossFlush  OnLoss = "flush"  // forget it, then serve by age alone
)

// Marker is a hash in the store that tells of finished uploads.
type Marker struct {
	Key          string        `mapstructure:"key"`
	Interval     time.Duration `mapstructure:"interval"`      // between polls
	Settle       time.Duration `mapstructure:"settle"`        // from marker to the last fetcher that has the upload
	Covers       []string      `mapstructure:"covers"`        // see feature.NewCover
	VersionField string        `mapstructure:"version_field"` // "": none
	MaxSilence   time.Duration `mapstructure:"max_silence"`   // at least twice Interval
	OnLoss       OnLoss        `mapstructure:"on_loss"`
	ServeFor     time.Duration `mapstructure:"serve_for"` // with OnLossServe
}

// Kafka is where real-time updates are read. There is none without Brokers.
type Kafka struct {
	Brokers         []string      `mapstructure:"brokers"` // host:port
	Settle          time.Duration `mapstructure:"settle"`  // from record to the last fetcher that has it
	CheckInterval   time.Duration `mapstructure:"check_interval"`
	RefreshInterval time.Duration `mapstructure:"refresh_interval"`
	TLS             TLS           `mapstructure:"tls"`
	SASL            SASL          `mapstructure:"sasl"`
	Topics          []Topic       `mapstructure:"topics"`
}

// SASL is how the brokers are told who is there.
type SASL struct {
	Mechanism    SASLMechanism `mapstructure:"mechanism"`
	Username     string        `mapstructure:"username"`
	PasswordFile string        `mapstructure:"password_file"`

	// password is a pointer so that no formatting verb prints what it points at.
	password *string
}

// SASLMechanism is how the password is presented.
type SASLMechanism string

// The mechanisms.
const (
	SASLNone        SASLMechanism = ""
	SASLPlain       SASLMechanism = "plain"
	SASLScramSHA256 SASLMechanism = "scram-sha-256"
	SASLScramSHA512 SASLMechanism = "scram-sha-512"
)

// Password is what password_file held when the configuration was loaded, and
// whether there is one. Nothing prints it.
func (s SASL) Password() (password string, given bool) {
	if s.password == nil {
		return "", false
	}
	return *s.password, true
}

// TopicFormat is how a topic's records are written.
type TopicFormat string

// The formats.
const (
	FormatJSON     TopicFormat = "json"
	FormatRESP     TopicFormat = "resp"
	FormatProtobuf TopicFormat = "protobuf"
	FormatMarkers  TopicFormat = "markers"
)

// TopicApply is what is done with an update.
type TopicApply string

// What may be done.
const (
	ApplyEvict  TopicApply = "evict"  // drop the old value
	ApplyUpdate TopicApply = "update" // put the new value in its place
)

// Topic is a topic of updates.
type Topic struct {
	Name     string        `mapstructure:"name"`
	Format   TopicFormat   `mapstructure:"format"`
	Apply    TopicApply    `mapstructure:"apply"`
	Covers   []string      `mapstructure:"covers"` // see feature.NewCover
	MaxLag   time.Duration `mapstructure:"max_lag"`
	OnLoss   OnLoss        `mapstructure:"on_loss"`
	ServeFor time.Duration `mapstructure:"serve_for"` // with OnLossServe
	Rewind   time.Duration `mapstructure:"rewind"`    // where to start: so long before now; 0: at the end
}

// Tracking is the store's own announcement of changed keys.
type Tracking struct {
	Enabled    bool          `mapstructure:"enabled"`
	Prefixes   []string      `mapstructure:"prefixes"` // of entities; none: all
	Settle     time.Duration `mapstructure:"settle"`
	MaxSilence time.Duration `mapstructure:"max_silence"`
	OnLoss     OnLoss        `mapstructure:"on_loss"`
	ServeFor   time.Duration `mapstructure:"serve_for"` // with OnLossServe
}

// checkInvalidation holds the options of invalidation against each other.
func (l *loader) checkInvalidation() {
	in := &l.config.Invalidation
	seen := map[string]int{}
	for i, m := range in.Markers {
		key := fmt.Sprintf("invalidation.markers[%d].", i)
		if first, twice := seen[m.Key]; twice {
			l.add(key+"key", fmt.Sprintf("the same hash as invalidation.markers[%d]; accepted: each hash once", first))
		}
		seen[m.Key] = i
		if m.MaxSilence < 2*m.Interval {
			l.add(key+"max_silence", fmt.Sprintf("one poll that fails would be taken for a loss; accepted: at least twice the interval, which is %s", formatDuration(m.Interval)))
		}
		l.checkServe(key, m.OnLoss, m.ServeFor)
	}
	l.checkKafka(&in.Kafka)
	l.checkTracking(&in.Tracking)
}

// checkServe keeps a promise without an end from being made, and an option from
// being without effect.
func (l *loader) checkServe(prefix string, onLoss OnLoss, serveFor time.Duration) {
	switch {
	case onLoss == OnLossServe && serveFor == 0:
		l.add(prefix+"on_loss", "for how long is not said; accepted: serve_for beside it, or bypass or flush")
	case onLoss != OnLossServe && serveFor != 0:
		l.add(prefix+"serve_for", "has no effect unless on_loss is serve; accepted: on_loss serve beside it, or 0s")
	}
}

func (l *loader) checkKafka(kafka *Kafka) {
	const prefix = "invalidation.kafka."
	switch {
	case len(kafka.Brokers) == 0 && len(kafka.Topics) > 0 && !l.faulty[prefix+"brokers"]:
		l.add(prefix+"topics", "topics, and no brokers to read them from; accepted: invalidation.kafka.brokers beside it, or an empty list")
	case len(kafka.Brokers) > 0 && len(kafka.Topics) == 0 && !l.faulty[prefix+"topics"]:
		l.add(prefix+"brokers", "brokers, and no topics to read from them; accepted: invalidation.kafka.topics beside it, or an empty list")
	}
	seen := map[string]int{}
	for i, t := range kafka.Topics {
		key := fmt.Sprintf("%stopics[%d].", prefix, i)
		if first, twice := seen[t.Name]; twice {
			l.add(key+"name", fmt.Sprintf("the same topic as %stopics[%d]; accepted: each topic once", prefix, first))
		}
		seen[t.Name] = i
		if t.Format == FormatMarkers && t.Apply == ApplyUpdate {
			l.add(key+"apply", "a marker has no value to put in place; accepted: evict with format markers")
		}
		if t.MaxLag < 2*kafka.CheckInterval {
			l.add(key+"max_lag", fmt.Sprintf("one check that fails would be taken for a loss; accepted: at least twice %scheck_interval, which is %s", prefix, formatDuration(kafka.CheckInterval)))
		}
		l.checkServe(key, t.OnLoss, t.ServeFor)
	}
	l.checkTLS(prefix+"tls", kafka.TLS)
	l.checkSASL(prefix+"sasl.", &kafka.SASL)
}

func (l *loader) checkSASL(prefix string, sasl *SASL) {
	if l.faulty[prefix+"mechanism"] {
		return
	}
	if sasl.Mechanism == SASLNone {
		for _, name := range []string{"username", "password_file"} {
			if l.config.text(prefix+name) != "" {
				l.add(prefix+name, "has no effect without a mechanism; accepted: "+prefix+"mechanism beside it, or empty")
			}
		}
		return
	}
	if sasl.Username == "" || sasl.PasswordFile == "" {
		if !l.faulty[prefix+"username"] && !l.faulty[prefix+"password_file"] {
			l.add(prefix+"mechanism", "it needs a user and a password; accepted: "+prefix+"username and password_file beside it, or empty")
		}
		return
	}
	password, err := readPassword(sasl.PasswordFile)
	if err != nil {
		l.add(prefix+"password_file", err.Error()+"; accepted: a readable file that holds the password")
		return
	}
	sasl.password = &password
}

// checkTracking sees what the store would refuse: prefixes that overlap.
func (l *loader) checkTracking(tracking *Tracking) {
	const prefix = "invalidation.tracking."
	for i, p := range tracking.Prefixes {
		for j, other := range tracking.Prefixes {
			if i != j && strings.HasPrefix(p, other) && (i > j || p != other) {
				l.add(fmt.Sprintf("%sprefixes[%d]", prefix, i), fmt.Sprintf("begins with prefixes[%d], %q, which covers it already; accepted: prefixes none of which begins another", j, other))
			}
		}
	}
	l.checkServe(prefix, tracking.OnLoss, tracking.ServeFor)
}
