package config

import (
	"fmt"
	"time"
)

// Rollout is which reads are answered from memory, and what is compared with the
// store.
type Rollout struct {
	// Rules are tried in their order; what none of them takes is done as Mode says.
	Rules       []Rule        `mapstructure:"rules"`
	Workers     int           `mapstructure:"workers"`
	Queue       int           `mapstructure:"queue"`       // reads that wait to be compared
	Patience    time.Duration `mapstructure:"patience"`    // beyond the promise
	Differences int           `mapstructure:"differences"` // remembered, of each class
	Log         string        `mapstructure:"log"`         // "", LogStdout, or a path
	LogValues   bool          `mapstructure:"log_values"`
	Shadow      Shadow        `mapstructure:"shadow"`
}

// LogStdout is the Rollout.Log that writes differences to standard output.
const LogStdout = "stdout"

// Rule says what is done with the reads that it takes.
type Rule struct {
	Name     string   `mapstructure:"name"`
	Features []string `mapstructure:"features"` // see feature.NewCover; none: all
	Entities []string `mapstructure:"entities"` // patterns; none: all
	Mode     Mode     `mapstructure:"mode"`
	Percent  float64  `mapstructure:"percent"` // of the entities, 0 to 100
	Verify   float64  `mapstructure:"verify"`  // of the answers from memory, 0 to 100
}

// Shadow is a second store that is asked beside the first. There is none without
// Addresses.
type Shadow struct {
	Addresses    []string      `mapstructure:"addresses"`
	Discovery    Discovery     `mapstructure:"discovery"`
	Username     string        `mapstructure:"username"`
	PasswordFile string        `mapstructure:"password_file"`
	TLS          TLS           `mapstructure:"tls"`
	Percent      float64       `mapstructure:"percent"` // of the fetches, 0 to 100
	Settle       time.Duration `mapstructure:"settle"`  // how far the stores may be apart

	// password is a pointer so that no formatting verb prints what it points at.
	password *string
}

// Password is what password_file held when the configuration was loaded, and
// whether there is one. Nothing prints it.
func (s Shadow) Password() (password string, given bool) {
	if s.password == nil {
		return "", false
	}
	return *s.password, true
}

// RuleDefault is the name of the rule that ends the list.
const RuleDefault = "default"

// checkRollout holds the rules against each other, and the options of the shadow
// store.
func (l *loader) checkRollout() {
	l.checkRules()
	l.checkShadow(&l.config.Rollout.Shadow)
}

// checkRules wants a name of its own for each rule.
func (l *loader) checkRules() {
	const prefix = rulesOption
	seen := map[string]int{}
	for i, r := range l.config.Rollout.Rules {
		key := fmt.Sprintf("%s[%d].name", prefix, i)
		first, twice := seen[r.Name]
		switch {
		case r.Name == RuleDefault:
			l.add(key, "the name of the rule that ends the list, which mode decides; accepted: any other")
		case twice:
			l.add(key, fmt.Sprintf("the same name as %s[%d]; accepted: each name once", prefix, first))
		}
		seen[r.Name] = i
	}
}

func (l *loader) checkShadow(shadow *Shadow) {
	const prefix = "rollout.shadow."
	seen := map[string]int{}
	for i, address := range shadow.Addresses {
		key := fmt.Sprintf("%saddresses[%d]", prefix, i)
		endpoint := sameEndpoint(address)
		if first, twice := seen[endpoint]; twice {
			l.add(key, fmt.Sprintf("the same address as %saddresses[%d]; accepted: each address once", prefix, first))
		} else if at := l.listenerAt(address); at >= 0 {
			l.add(key, fmt.Sprintf("fsproxy itself listens there (listeners[%d]); accepted: the address of the second store", at))
		}
		seen[endpoint] = i
	}
	l.checkTLS(prefix+"tls", shadow.TLS)
	if shadow.PasswordFile == "" {
		if shadow.Username != "" && !l.faulty[prefix+"password_file"] {
			l.add(prefix+"username", "a user without a password; accepted: "+prefix+"password_file beside it, or empty")
		}
		return
	}
	password, err := readPassword(shadow.PasswordFile)
	if err != nil {
		l.add(prefix+"password_file", err.Error()+"; accepted: a readable file that holds the password")
		return
	}
	shadow.password = &password
}

// rolloutWarnings tell of a last rule that changes nothing, because mode does the
// same with the entities that it leaves out.
func (c *Config) rolloutWarnings() []string {
	rules := c.Rollout.Rules
	if len(rules) == 0 {
		return nil
	}
	last := rules[len(rules)-1]
	if last.Percent == 100 || last.Mode != c.Mode || last.Verify > 0 {
		return nil
	}
	return []string{fmt.Sprintf("rollout.rules[%d] (%s) makes no difference: mode is %s too, for the entities that the rule leaves out; set mode to off or dry-run", len(rules)-1, last.Name, c.Mode)}
}
