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
	PathRules       = Prefix + "/rules"
	PathChanges     = Prefix + "/changes"
	PathHistory     = Prefix + "/history"
	PathAccess      = Prefix + "/access"
	PathEvents      = Prefix + "/events"
	PathWarm        = Prefix + "/warm"
	PathOpenAPI     = Prefix + "/openapi.json"

	PathMode       = Prefix + "/mode"
	PathRule       = Prefix + "/rule" // one of them; PathRules: all
	PathInvalidate = Prefix + "/invalidate"
	PathFlush      = Prefix + "/flush"
	PathReload     = Prefix + "/reload"
)

// Error is the answer of anything that did not succeed.
type Error struct {
	Message string `json:"error"` // what is wrong, and what to do
}
