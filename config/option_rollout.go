package config

import (
	"errors"
	"strconv"
	"time"
)

func rolloutOptions() []Option {
	options := []Option{
		{
			Key: "rollout.rules", Default: "", Reloadable: true,
			Form:     maybeEmpty(Form{Kind: "list of sections", Accepted: "{name: any text, features: …, entities: …, mode: …, percent: …, verify: …}", List: true}),
			Meaning:  "Which reads are answered from memory: the first rule that takes a feature of an entity decides for it; what none takes is done as mode says",
			Elements: ruleElements(), Whole: true,
		},
		{
			Key: "rollout.workers", Default: "2", Form: integers(1, 64),
			Meaning: "How many reads are compared with the store at a time",
		},
		{
			Key: "rollout.queue", Default: "4096", Form: integers(1, 1<<20),
			Meaning: "Reads that wait to be compared; those for which there is no room are not, and counted",
		},
		{
			Key: "rollout.patience", Reloadable: true, Default: "0s", Form: durations(0, day),
			Meaning: "How much longer than the promise a difference may last before it is called wrong: as long as an upload takes from its first value to its marker",
		},
		{
			Key: "rollout.differences", Reloadable: true, Default: "1000", Form: integers(1, 100_000),
			Meaning: "The latest differences that are remembered, of each class",
		},
		{
			Key: "rollout.log", Reloadable: true, Form: words("text", "stdout, the path of a file to append to, or empty"),
			Meaning: "Where differences are written as they are found, a line of JSON each; empty: nowhere",
		},
		{
			Key: "rollout.log_values", Reloadable: true, Default: "false", Form: boolean(),
			Meaning: "Whether differences show the values, and not just hashes of them",
		},
	}
	return append(options, shadowOptions()...)
}

func ruleElements() []Option {
	return []Option{
		{Key: "name", Form: checked("text", "any text", checkNotEmpty), Meaning: "What the rule is called"},
		{
			Key: "features", Default: "", Form: maybeEmpty(covers()),
			Meaning: "Which features it takes: names, the store's fields, or patterns in which * is any text; none: all",
		},
		{
			Key: "entities", Default: "", Form: maybeEmpty(listOf(checked("pattern", "a pattern of keys in which * is any text, ? any byte and [a-z] a range", checkPattern))),
			Meaning: "Which entities it takes: patterns of keys; none: all",
		},
		{Key: "mode", Default: string(ModeLive), Form: choice(ModeOff, ModeDryRun, ModeLive), Meaning: "What is done with what it takes"},
		{
			Key: "percent", Default: "100", Form: percentages(),
			Meaning: "How many of the entities it takes, by hash: the same ones in every process and at all times; the others are left to the rules behind it",
		},
		{
			Key: "verify", Default: "0", Form: percentages(),
			Meaning: "With mode live: how many of the answers from memory are compared with the store afterwards",
		},
	}
}

func shadowOptions() []Option {
	const longestApart = time.Hour
	return []Option{
		{
			Key: "rollout.shadow.addresses", Default: "",
			Form:    maybeEmpty(listOf(checked("address", acceptedDial, checkDial))),
			Meaning: "A second store, which is asked what the first was, and whose answers are compared with the first one's; none: there is no second store",
		},
		{
			Key: "rollout.shadow.discovery", Default: string(DiscoveryAuto),
			Form:    choice(DiscoveryAuto, DiscoveryStandalone, DiscoveryCluster, DiscoveryRCM),
			Meaning: "What its addresses are, as upstream.discovery says of the first",
		},
		{Key: "rollout.shadow.username", Form: words("text", "one line of text, or empty"), Meaning: "The user to authenticate there as"},
		{Key: "rollout.shadow.password_file", Reloadable: true, Beside: "rollout.shadow.username", Form: words("file", acceptedFile), Meaning: "The file that holds the user's password there, a line break at its end aside"},
		{Key: "rollout.shadow.tls.enabled", Reloadable: true, Default: "false", Form: boolean(), Meaning: "Whether connections to it are encrypted"},
		{
			Key: "rollout.shadow.tls.ca_file", Reloadable: true, Form: words("file", acceptedFile),
			Meaning: "PEM certificates that its certificate must lead to; empty: the system's",
		},
		{
			Key: "rollout.shadow.tls.cert_file", Reloadable: true, Form: words("file", acceptedFile),
			Meaning: "PEM certificate to show to it; needs key_file",
		},
		{Key: "rollout.shadow.tls.key_file", Reloadable: true, Form: words("file", acceptedFile), Meaning: "PEM key of cert_file"},
		{
			Key: "rollout.shadow.tls.server_name", Reloadable: true, Form: words("text", "a host name, or empty"),
			Meaning: "The name that its certificate must hold; empty: the host that is connected to",
		},
		{
			Key: "rollout.shadow.percent", Default: "1", Form: percentages(), Reloadable: true,
			Meaning: "How many of the fetches are repeated there, in percent",
		},
		{
			Key: "rollout.shadow.settle", Reloadable: true, Default: "5s", Form: durations(0, longestApart),
			Meaning: "How long after a change the two stores may differ: both are asked again after that",
		},
	}
}

// percentages is a form from 0 to 100, fractions included.
func percentages() Form {
	return Form{
		Kind:     "percentage",
		Accepted: "a number from 0 to 100, such as 0.1",
		read: func(text string) (any, error) {
			p, err := strconv.ParseFloat(text, 64)
			switch {
			case err != nil || p != p:
				return nil, errors.New("not a number")
			case p < 0:
				return nil, errors.New("too small")
			case p > 100:
				return nil, errors.New("too large")
			}
			return p, nil
		},
	}
}

// ruleNames is how a list of rules is written in one text.
func ruleNames(rules []Rule) []string {
	names := make([]string, len(rules))
	for i, r := range rules {
		names[i] = r.Name
	}
	return names
}
