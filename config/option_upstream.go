package config

import "time"

func upstreamOptions() []Option {
	return []Option{
		{
			Key: "upstream.discovery", Default: string(DiscoveryAuto), Flag: "discovery",
			Form:    choice(DiscoveryAuto, DiscoveryStandalone, DiscoveryCluster, DiscoveryRCM),
			Meaning: "How the fetchers are found: auto asks the first address that answers what it is",
		},
		{
			Key: "upstream.addresses", Default: "127.0.0.1:6380", Flag: "upstream",
			Form:    listOf(checked("address", acceptedDial, checkDial)),
			Meaning: "The store, nodes of it, or its RCM",
		},
		{
			Key:     "upstream.username",
			Form:    words("text", "one line of text, or empty for the default user"),
			Meaning: "The ACL user to authenticate as; needs password_file",
		},
		{
			Key: "upstream.password_file", Reloadable: true, Beside: "upstream.username",
			Form:    words("file", acceptedFile),
			Meaning: "The file that holds the store's password, a line break at its end aside; empty: no AUTH",
		},
		{
			Key: "upstream.tls.enabled", Reloadable: true, Default: "false", Form: boolean(),
			Meaning: "Whether connections to the store are encrypted",
		},
		{
			Key: "upstream.tls.ca_file", Reloadable: true,
			Form:    words("file", acceptedFile),
			Meaning: "PEM certificates that the store's certificate must lead to; empty: the system's",
		},
		{
			Key: "upstream.tls.cert_file", Reloadable: true,
			Form:    words("file", acceptedFile),
			Meaning: "PEM certificate to show to the store; needs key_file",
		},
		{
			Key: "upstream.tls.key_file", Reloadable: true,
			Form:    words("file", acceptedFile),
			Meaning: "PEM key of cert_file",
		},
		{
			Key: "upstream.tls.server_name", Reloadable: true,
			Form:    words("text", "a host name, or empty"),
			Meaning: "The name that the store's certificate must hold; empty: the host that is connected to",
		},
		{
			Key: "upstream.connect_timeout", Reloadable: true, Default: "300ms",
			Form:    durations(time.Millisecond, time.Minute),
			Meaning: "How long opening a connection to the store may take, TLS and greeting included",
		},
		{
			Key: "upstream.fetch_timeout", Reloadable: true, Default: "50ms",
			Form:    durations(time.Millisecond, time.Minute),
			Meaning: "How long a fetch may take before its readers get an error",
		},
		{
			Key: "upstream.connections", Default: "2",
			Form:    integers(1, 64),
			Meaning: "Read connections to each fetcher",
		},
		{
			Key: "upstream.max_in_flight", Reloadable: true, Default: "4096",
			Form:    integers(1, 1<<20),
			Meaning: "Fetches that one fetcher may have unanswered; past it others are asked, and where none has room the fetch fails at once. The default is what 80,000 reads a second come to in 50 ms",
		},
		{
			Key: "upstream.hedge_budget", Reloadable: true, Default: "5",
			Form:    integers(0, 100),
			Meaning: "How many of 100 fetches may be sent to a second fetcher because they take longer than their shard does for 95 of 100; 0: none",
		},
		{
			Key: "upstream.slow_start", Reloadable: true, Default: "10s",
			Form:    durations(0, time.Hour),
			Meaning: "How long the share of a fetcher that appears or comes back grows, from a tenth to a whole one",
		},
		{
			Key:     "upstream.client_id",
			Form:    words("text", "one line of text, in which blanks, @ and what is not ASCII count as _; or empty"),
			Meaning: "What an RCM is told this client is, in place of its address, so that it is told the same fetchers wherever it comes from; empty: the host's name, which is the Pod's",
		},
		{
			Key:     "upstream.zone",
			Form:    words("text", "the name of an availability zone, or empty"),
			Meaning: "The zone whose fetchers are asked first, as CLUSTER SHARDS names it (availability-zone); empty: all are alike",
		},
		{
			Key: "upstream.refresh_interval", Reloadable: true, Default: "30s",
			Form:    durations(time.Second, day),
			Meaning: "How often the topology is asked for again, jittered",
		},
		{
			Key: "upstream.topology_patience", Reloadable: true, Default: "1m",
			Form:    durations(0, day),
			Meaning: "How long a topology that leaves more slots uncovered than the one in use, or is one server's where that is a fleet's, has to persist before it takes its place",
		},
		{
			Key: "upstream.tunnel_idle_timeout", Default: "5m", Reloadable: true,
			Form:    durations(time.Second, day),
			Meaning: "How long a client's own connection to the store may go unused before it is closed, unless it has held a transaction or subscriptions",
		},
		{
			Key: "upstream.stale_if_error", Reloadable: true, Default: "0s",
			Form:    durations(0, maxAge),
			Meaning: "How long after a value came of age, or an upload made it stale, it is still served where its fetch fails; never one that was updated or forgotten; 0s: the read fails",
		},
	}
}
