package config

import (
	"errors"
	"time"
)

const (
	// maxSettle bounds how long after a change a fetcher may still answer with
	// the old value. A fleet that takes a day to load an upload has no use for
	// a cache.
	maxSettle = day

	// topicNameBytes is Kafka's own bound on the name of a topic.
	topicNameBytes = 249
)

const (
	meaningCovers   = "Which features it tells of, and so which are at stake when it is lost: names, the store's fields, or patterns in which * is any text"
	meaningOnLoss   = "What is done with what it covers while it cannot be trusted: bypass fetches it each time and keeps nothing, serve goes on for serve_for and then bypasses, flush forgets it at the loss and at the end and serves by age alone between"
	meaningServeFor = "With on_loss serve: how long; the promise grows by it"
)

func invalidationOptions() []Option {
	groups := [][]Option{
		{{
			Key: "invalidation.markers", Default: "fs:markers",
			Form:     maybeEmpty(Form{Kind: "list of sections", Accepted: "{key: the key of a hash}, or an empty list for no markers", List: true}),
			Meaning:  "The store's hashes that tell of finished uploads, a field a feature or group, with a value that changes with each upload",
			Elements: markerElements(),
		}},
		kafkaOptions(), trackingOptions(),
		{{
			Key: "invalidation.stale_while_revalidate", Reloadable: true, Default: "0s",
			Form:    durations(0, time.Hour),
			Meaning: "How long after a marker the old value may still be served while it is fetched anew, so that an upload is no cliff; the promise grows by it",
		}},
	}
	var all []Option
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

// covers is the form of lists of features.
func covers() Form {
	return listOf(checked("pattern", "a feature's name, the store's field of it, or a pattern of these", checkPattern))
}

func onLoss() Form { return choice(OnLossBypass, OnLossServe, OnLossFlush) }

func markerElements() []Option {
	return []Option{
		{Key: "key", Form: checked("key", "the key of a hash", checkNotEmpty), Meaning: "The key of the hash"},
		{
			Key: "interval", Reloadable: true, Default: "5s", Form: durations(100*time.Millisecond, time.Hour),
			Meaning: "How often it is looked at, jittered by a fifth either way; part of the promise",
		},
		{
			Key: "settle", Reloadable: true, Default: "10s", Form: durations(0, maxSettle),
			Meaning: "How long after the marker the last fetcher may take to have the upload, and the marker itself; part of the promise",
		},
		{Key: "covers", Default: "*", Form: covers(), Meaning: meaningCovers},
		{
			Key: "version_field", Form: words("text", "a field of the hash, or empty"),
			Meaning: "A field that changes whenever any other does: while it stays the same, nothing else is read; empty: there is none",
		},
		{
			Key: "max_silence", Reloadable: true, Default: "1m", Form: durations(200*time.Millisecond, day),
			Meaning: "How long polls may fail before the source is lost; at least twice interval",
		},
		{Key: "on_loss", Reloadable: true, Default: string(OnLossBypass), Form: onLoss(), Meaning: meaningOnLoss},
		{Key: "serve_for", Reloadable: true, Default: "0s", Form: durations(0, maxAge), Meaning: meaningServeFor},
	}
}

func kafkaOptions() []Option {
	return []Option{
		{
			Key: "invalidation.kafka.brokers", Default: "",
			Form:    maybeEmpty(listOf(checked("address", acceptedDial, checkDial))),
			Meaning: "Kafka brokers to begin with; none: no Kafka",
		},
		{
			Key: "invalidation.kafka.settle", Reloadable: true, Default: "2s", Form: durations(0, maxSettle),
			Meaning: "How long after a record was read a fetcher may still answer with the value before it; until then what it is about is fetched and not kept",
		},
		{
			Key: "invalidation.kafka.check_interval", Reloadable: true, Default: "1s", Form: durations(100*time.Millisecond, time.Hour),
			Meaning: "How often the position in each partition is compared with its end",
		},
		{
			Key: "invalidation.kafka.refresh_interval", Reloadable: true, Default: "10s", Form: durations(100*time.Millisecond, time.Hour),
			Meaning: "How often new partitions are looked for",
		},
		{
			Key: "invalidation.kafka.tls.enabled", Reloadable: true, Default: "false", Form: boolean(),
			Meaning: "Whether connections to the brokers are encrypted",
		},
		{
			Key: "invalidation.kafka.tls.ca_file", Reloadable: true, Form: words("file", acceptedFile),
			Meaning: "PEM certificates that a broker's certificate must lead to; empty: the system's",
		},
		{
			Key: "invalidation.kafka.tls.cert_file", Reloadable: true, Form: words("file", acceptedFile),
			Meaning: "PEM certificate to show to the brokers; needs key_file",
		},
		{
			Key: "invalidation.kafka.tls.key_file", Reloadable: true, Form: words("file", acceptedFile),
			Meaning: "PEM key of cert_file",
		},
		{
			Key: "invalidation.kafka.tls.server_name", Reloadable: true, Form: words("text", "a host name, or empty"),
			Meaning: "The name that a broker's certificate must hold; empty: the host that is connected to",
		},
		{
			Key: "invalidation.kafka.sasl.mechanism", Reloadable: true,
			Form:    maybeNone(choice(SASLPlain, SASLScramSHA256, SASLScramSHA512)),
			Meaning: "How fsproxy authenticates to the brokers; empty: not at all",
		},
		{
			Key: "invalidation.kafka.sasl.username", Reloadable: true, Form: words("text", "one line of text, or empty"),
			Meaning: "The user to authenticate as",
		},
		{
			Key: "invalidation.kafka.sasl.password_file", Reloadable: true, Form: words("file", acceptedFile),
			Meaning: "The file that holds the user's password, a line break at its end aside",
		},
		{
			Key: "invalidation.kafka.topics", Default: "",
			Form:     maybeEmpty(Form{Kind: "list of sections", Accepted: "{name: the name of a topic}", List: true}),
			Meaning:  "The topics of real-time updates",
			Elements: topicElements(),
		},
	}
}

func topicElements() []Option {
	return []Option{
		{Key: "name", Form: checked("topic", "the name of a topic, at most 249 letters, digits, dots, underlines and hyphens", checkTopic), Meaning: "The topic"},
		{
			Key: "format", Default: string(FormatJSON), Form: choice(FormatJSON, FormatRESP, FormatProtobuf, FormatMarkers),
			Meaning: "How its records are written: json, resp (the HSET or HDEL as sent to the store), protobuf, or markers of uploads",
		},
		{
			Key: "apply", Default: string(ApplyEvict), Form: choice(ApplyEvict, ApplyUpdate),
			Meaning: "What a record does: evict drops the old value, update puts the new one in its place if its version is newer",
		},
		{Key: "covers", Default: "*", Form: covers(), Meaning: meaningCovers},
		{
			Key: "max_lag", Reloadable: true, Default: "30s", Form: durations(200*time.Millisecond, day),
			Meaning: "How far behind the topic's end, or unheard, it may be before it is not trusted; at least twice check_interval; part of the promise",
		},
		{Key: "on_loss", Reloadable: true, Default: string(OnLossBypass), Form: onLoss(), Meaning: meaningOnLoss},
		{Key: "serve_for", Reloadable: true, Default: "0s", Form: durations(0, maxAge), Meaning: meaningServeFor},
		{
			Key: "rewind", Default: "0s", Form: durations(0, maxAge),
			Meaning: "Where to begin: at the first record of so long ago; 0s: at the end, as nothing is in memory yet",
		},
	}
}

func trackingOptions() []Option {
	return []Option{
		{
			Key: "invalidation.tracking.enabled", Default: "false", Form: boolean(),
			Meaning: "Whether every node of the store is asked to announce changed keys (CLIENT TRACKING with BCAST, which needs Redis 6 or newer)",
		},
		{
			Key: "invalidation.tracking.prefixes", Default: "",
			Form:    maybeEmpty(listOf(words("text", "how keys begin, none of them the beginning of another"))),
			Meaning: "How the keys begin of which it is asked to; none: all keys",
		},
		{
			Key: "invalidation.tracking.settle", Reloadable: true, Default: "1s", Form: durations(0, maxSettle),
			Meaning: "How long after the announcement another node may still answer with the old value; until then the entity is fetched and not kept",
		},
		{
			Key: "invalidation.tracking.max_silence", Reloadable: true, Default: "10s", Form: durations(3*time.Second, day),
			Meaning: "How long a node may not answer before its announcements are taken for lost; it is asked once a second",
		},
		{Key: "invalidation.tracking.on_loss", Reloadable: true, Default: string(OnLossBypass), Form: onLoss(), Meaning: meaningOnLoss},
		{Key: "invalidation.tracking.serve_for", Reloadable: true, Default: "0s", Form: durations(0, maxAge), Meaning: meaningServeFor},
	}
}

func checkNotEmpty(text string) error {
	if text == "" {
		return errors.New("empty")
	}
	return nil
}

// checkTopic accepts what Kafka takes for the name of a topic.
func checkTopic(text string) error {
	if text == "" || len(text) > topicNameBytes || text == "." || text == ".." {
		return errors.New("not the name of a topic")
	}
	for _, r := range text {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
		default:
			return errors.New("not the name of a topic")
		}
	}
	return nil
}
