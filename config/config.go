package config

import (
	"crypto/sha256"
	"time"

	"github.com/fsproxy/fsproxy/feature"
)

// Config is one complete, valid configuration. It is immutable after [Load]:
// many goroutines read it, nobody writes to it or to its slices.
//
// The mapstructure tag of each field is its part of the option's dotted key.
type Config struct {
	Listeners    []Listener    `mapstructure:"listeners"`
	Auth         Auth          `mapstructure:"auth"`
	Mode         Mode          `mapstructure:"mode"`
	Announce     string        `mapstructure:"announce"` // host:port, or empty
	Upstream     Upstream      `mapstructure:"upstream"`
	Cache        Cache         `mapstructure:"cache"`
	FeaturesFile string        `mapstructure:"features_file"`
	Invalidation Invalidation  `mapstructure:"invalidation"`
	Rollout      Rollout       `mapstructure:"rollout"`
	Warm         Warm          `mapstructure:"warm"`
	Limits       Limits        `mapstructure:"limits"`
	Admin        Admin         `mapstructure:"admin"`
	Metrics      Metrics       `mapstructure:"metrics"`
	Log          Log           `mapstructure:"log"`
	DrainTimeout time.Duration `mapstructure:"drain_timeout"`

	// origins tells where each value that is not a default came from, by
	// dotted key; an element of a list has its own entry where it is known.
	origins map[string]Origin

	catalogue *feature.Catalogue // nil: none; see Catalogue
	// files are hashes of what is in the files of certificates, by dotted key.
	files map[string][sha256.Size]byte
}

// Mode says what is done with a cacheable read.
type Mode string

// The modes.
const (
	ModeOff    Mode = "off"     // forward everything
	ModeDryRun Mode = "dry-run" // forward everything, compare aside
	ModeLive   Mode = "live"    // answer from memory
)

// Discovery says how the fetchers behind upstream.addresses are found.
type Discovery string

// The ways of discovery.
const (
	DiscoveryAuto       Discovery = "auto"       // ask the address what it is
	DiscoveryStandalone Discovery = "standalone" // one server that holds all slots
	DiscoveryCluster    Discovery = "cluster"    // a node of a Redis Cluster
	DiscoveryRCM        Discovery = "rcm"        // a Redis Cluster Manager
)

// Upstream is the store behind the proxy.
type Upstream struct {
	Discovery      Discovery     `mapstructure:"discovery"`
	Addresses      []string      `mapstructure:"addresses"` // host:port, at least one, no two alike
	Username       string        `mapstructure:"username"`
	PasswordFile   string        `mapstructure:"password_file"`
	TLS            TLS           `mapstructure:"tls"`
	ConnectTimeout time.Duration `mapstructure:"connect_timeout"`
	FetchTimeout   time.Duration `mapstructure:"fetch_timeout"`
	Connections    int           `mapstructure:"connections"` // read connections a fetcher

	MaxInFlight int           `mapstructure:"max_in_flight"` // a fetcher
	HedgeBudget int           `mapstructure:"hedge_budget"`  // percent
	SlowStart   time.Duration `mapstructure:"slow_start"`
	ClientID    string        `mapstructure:"client_id"`
	Zone        string        `mapstructure:"zone"`

	RefreshInterval  time.Duration `mapstructure:"refresh_interval"`
	TopologyPatience time.Duration `mapstructure:"topology_patience"`

	TunnelIdleTimeout time.Duration `mapstructure:"tunnel_idle_timeout"`
	StaleIfError      time.Duration `mapstructure:"stale_if_error"`

	// password is a pointer so that no formatting verb prints what it points at.
	password *string
}

// TLS is how upstream connections are encrypted. The names of files are empty
// unless Enabled.
type TLS struct {
	Enabled    bool   `mapstructure:"enabled"`
	CAFile     string `mapstructure:"ca_file"`
	CertFile   string `mapstructure:"cert_file"`
	KeyFile    string `mapstructure:"key_file"`
	ServerName string `mapstructure:"server_name"`
}

// Cache bounds what is kept and for how long.
type Cache struct {
	MaxBytes       Bytes         `mapstructure:"max_bytes"` // 0: see ResolvedMaxBytes
	MaxAge         time.Duration `mapstructure:"max_age"`
	NegativeMaxAge time.Duration `mapstructure:"negative_max_age"` // at most MaxAge
	Shards         int           `mapstructure:"shards"`           // 0: chosen from GOMAXPROCS
	MaxRowBytes    Bytes         `mapstructure:"max_row_bytes"`
	MaxFeatures    int           `mapstructure:"max_features"`
	MaxProjections int           `mapstructure:"max_projections"`
	MaxLayouts     int           `mapstructure:"max_layouts"`
	WriteSettle    time.Duration `mapstructure:"write_settle"`
	NeverCache     []string      `mapstructure:"never_cache"` // patterns, as path.Match has them
}

// Limits bounds what one client, and all clients together, may cost.
type Limits struct {
	MaxClients      int   `mapstructure:"max_clients"`
	MaxArguments    int   `mapstructure:"max_arguments"`
	MaxBulkBytes    Bytes `mapstructure:"max_bulk_bytes"`
	MaxInlineBytes  Bytes `mapstructure:"max_inline_bytes"`
	MaxRequestBytes Bytes `mapstructure:"max_request_bytes"`
	MaxOutputBytes  Bytes `mapstructure:"max_output_bytes"`
	MaxInFlight     int   `mapstructure:"max_in_flight"`
}

// Default returns the configuration in which every option has its default.
// It reads no file and no environment.
func Default() *Config {
	cfg, err := Load(Sources{})
	if err != nil {
		panic("config: the defaults of the option table are not valid: " + err.Error())
	}
	return cfg
}
