package config

import (
	"errors"
	"fmt"
	"strconv"
)

// Admin is the HTTP side: metrics, health, the API, the page, profiles.
type Admin struct {
	Address   string   `mapstructure:"address"` // host:port; empty: switched off
	TokenFile string   `mapstructure:"token_file"`
	Hosts     []string `mapstructure:"hosts"`

	// token is a pointer so that no formatting verb prints what it points at.
	token *string
}

// Token is what token_file held when the configuration was loaded, and whether
// there is one. Nothing prints it.
func (a Admin) Token() (token string, given bool) {
	if a.token == nil {
		return "", false
	}
	return *a.token, true
}

// TokenVariable is the environment variable from which commands that ask a
// running fsproxy may take the token. It is no option.
const TokenVariable = "FSPROXY_ADMIN_TOKEN"

// shortestToken, in bytes, is where guessing one through HTTP is hopeless if it
// was drawn by chance.
const shortestToken = 16

// Metrics says how much is told on /metrics.
type Metrics struct {
	Features FeatureSeries `mapstructure:"features"`
}

// FeatureSeries is how many features have series of their own.
type FeatureSeries string

// What FeatureSeries may be besides a number.
const (
	FeaturesOff FeatureSeries = "off"
	FeaturesAll FeatureSeries = "all"
)

// mostFeatureSeries is where a scrape of them, at about 5 µs a series, would take
// a tenth of a second.
const mostFeatureSeries = 10_000

// Most is the number of features that may have series; all of them: -1.
func (f FeatureSeries) Most() int {
	switch f {
	case FeaturesOff:
		return 0
	case FeaturesAll:
		return -1
	}
	n, _ := strconv.Atoi(string(f))
	return n
}

func adminOptions() []Option {
	return []Option{
		{
			Key: "admin.address", Default: "127.0.0.1:9190", Flag: "admin",
			Form:    checked("address", acceptedAdmin, checkAdmin),
			Meaning: "Where the page, the API, /metrics, /healthz, /readyz, /version and /debug/pprof are served; any interface may be named, so that it can be scraped",
		},
		{
			Key: "admin.token_file", Reloadable: true,
			Form:    words("file", acceptedFile),
			Meaning: "The file that holds the token without which the API changes nothing, and tells other machines nothing; empty: changes and the API from this machine only",
		},
		{
			Key: "admin.hosts", Reloadable: true,
			Form:    maybeEmpty(listOf(words("host name", "a host name without a port"))),
			Meaning: "Names by which browsers may ask for the page and the API, beside addresses and localhost; any other name is refused, as a web page elsewhere could have it lead here",
		},
		{
			Key: "metrics.features", Default: "20", Reloadable: true,
			Form:    featureSeries(),
			Meaning: "How many features, those asked for most, have series of their own on /metrics",
		},
	}
}

func featureSeries() Form {
	form := checked("number", fmt.Sprintf("off, all, or a whole number from 1 to %d", mostFeatureSeries), func(text string) error {
		if text == string(FeaturesOff) || text == string(FeaturesAll) {
			return nil
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("neither off, all nor a whole number")
		}
		return inRange(n, 1, mostFeatureSeries)
	})
	text := form.read
	form.read = func(value string) (any, error) {
		_, err := text(value)
		return FeatureSeries(value), err
	}
	return form
}

// checkAdminToken reads the token.
func (l *loader) checkAdminToken() {
	admin := &l.config.Admin
	if admin.TokenFile == "" || l.faulty["admin.token_file"] {
		return
	}
	const accepted = "; accepted: a readable file that holds a token of 16 bytes or more, as `openssl rand -hex 16` prints one"
	token, err := readPassword(admin.TokenFile)
	switch {
	case err != nil:
		l.add("admin.token_file", err.Error()+accepted)
	case len(token) < shortestToken:
		l.add("admin.token_file", "the token is too short"+accepted)
	default:
		admin.token = &token
	}
}
