package api

// Prefix stands before the path of everything in this version of the API.
// What is in a version is never taken away or given another meaning; fields may
// be added.
const Prefix = "/api/v1"

// The paths below the host. Those of the second group change something.
const (
	PathStatus      = Prefix + "/status"
	PathConfig      = Prefix + "/config"
	PathTopology    = Prefix + "/topology"
	PathFeatures    = Prefix + "/features"
	PathEntity      = Prefix + "/entity"
	PathHottest     = Prefix + "/hottest"
	PathSources     = Prefix + "/sources"
	PathDifferences = Prefix + "/differences"
	PathShadow      = Prefix + "/shadow"
	PathRules       = Prefix + "/rules"
	PathChanges     = Prefix + "/changes"
	PathHistory     = Prefix + "/history"
	PathAccess      = Prefix + "/access"
	PathEvents      = Prefix + "/events"
	PathWarm        = Prefix + "/warm"
	PathRows        = Prefix + "/rows"
	PathOpenAPI     = Prefix + "/openapi.json"

	PathMode       = Prefix + "/mode"
	PathRule       = Prefix + "/rule" // one of them; PathRules: all
	PathInvalidate = Prefix + "/invalidate"
	PathFlush      = Prefix + "/flush"
	PathReload     = Prefix + "/reload"
)

// The headers by which a change of rules can be made of the rules that somebody has
// seen, and of no others. The answer of [PathRules] carries their version in
// HeaderVersion; a change that carries it in HeaderIfVersion is refused with status
// 412 where other rules are in force by now.
const (
	HeaderVersion   = "ETag"
	HeaderIfVersion = "If-Match"
)

// Error is the answer of anything that did not succeed.
type Error struct {
	Message string `json:"error"` // what is wrong, and what to do
	// Mistakes are what is wrong with rules that were given, one by one.
	Mistakes []Mistake `json:"mistakes,omitempty"`
}

// Mistake is one thing that is wrong with a rule.
type Mistake struct {
	Rule  int    `json:"rule"`  // its place in the list, from 0
	Field string `json:"field"` // as in [RuleEdit]: name, features, …
	What  string `json:"what"`  // and what is accepted instead
}
