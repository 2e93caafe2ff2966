package admin

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/config"
)

// versionOf tells rules, the default one included, from others. It goes by what they
// say alone, so that Pods with the same rules have the same version.
func versionOf(rules []api.Rule) string {
	h := xxhash.New()
	for _, r := range rules {
		// Writing to a hash cannot fail.
		_, _ = fmt.Fprintf(h, "%q %q %q %q %v %v\n", r.Name, r.Features, r.Entities, r.Mode, r.Percent, r.VerifyRate)
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// checkVersion refuses a change that was made of other rules than those in force.
// What names no version is of whatever there is.
func checkVersion(c *call, inForce []config.Rule) error {
	wanted := c.Header.Get(api.HeaderIfVersion)
	if wanted == "" || wanted == "*" {
		return nil
	}
	shown := make([]api.Rule, len(inForce))
	for i, r := range inForce {
		shown[i] = ruleOf(r)
	}
	version := versionOf(shown)
	for one := range strings.SplitSeq(wanted, ",") {
		// A relay that compresses answers marks their versions as weak.
		if strings.Trim(strings.TrimPrefix(strings.TrimSpace(one), "W/"), `"`) == version {
			return nil
		}
	}
	c.version = version
	return refuse(http.StatusPreconditionFailed, "the rules were changed meanwhile: this change was made of version %s, and version %s is in force; read them again, and make it of those", wanted, version)
}
