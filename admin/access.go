package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/fsproxy/fsproxy/admin/api"
	"github.com/fsproxy/fsproxy/config"
)

// access decides who may ask what.
//
//   - From this machine the API may be read. With a token configured, whoever
//     presents it may read from anywhere; nobody else from another machine.
//   - Changes need the token where one is configured, from this machine too, and
//     are for this machine alone where none is.
//   - A browser that a page elsewhere has sent here gets nothing: requests by a
//     name that is not known (a name can be made to lead to this machine) and
//     changes that begin on another page are refused.
//
// Metrics, health and the version are for everybody.
type access struct {
	config func() *config.Config
	// crossOrigin knows requests that a browser makes for another page.
	crossOrigin *http.CrossOriginProtection
}

func newAccess(cfg func() *config.Config) *access {
	return &access{config: cfg, crossOrigin: http.NewCrossOriginProtection()}
}

// refusal is an answer other than success.
type refusal struct {
	status   int // of HTTP
	message  string
	mistakes []api.Mistake // of rules
}

func (r *refusal) Error() string { return r.message }

func refuse(status int, format string, args ...any) *refusal {
	return &refusal{status: status, message: fmt.Sprintf(format, args...)}
}

// caller is who made a request.
type caller struct {
	from  string // address
	local bool   // on this machine
	token bool   // presented the one that is configured
	agent string // what it says of itself
}

// by says on what grounds the caller was let in.
func (c caller) by() string {
	grounds := "this machine"
	if c.token {
		grounds = "token"
	}
	return grounds + ", " + c.agent
}

// check tells whether a request may be answered, and who makes it.
func (a *access) check(r *http.Request, change bool) (caller, error) {
	who := a.caller(r)
	if err := a.checkHost(r); err != nil {
		return who, err
	}
	if err := a.crossOrigin.Check(r); err != nil {
		return who, refuse(http.StatusForbidden, "a page elsewhere has made this request: %v", err)
	}
	_, configured := a.config().Admin.Token()
	switch {
	case who.token:
		return who, nil
	case configured && (change || !who.local):
		return who, refuse(http.StatusUnauthorized, "this needs the token that admin.token_file holds, as the header Authorization: Bearer TOKEN (fsproxy ctl: --token-file)")
	case !who.local:
		return who, refuse(http.StatusForbidden, "from another machine this needs a token, and none is configured: set admin.token_file, or ask from within the Pod (kubectl exec, kubectl port-forward)")
	}
	return who, nil
}

// maxAgent is how much of what a caller says of itself is kept, in bytes.
const maxAgent = 100

func (a *access) caller(r *http.Request) caller {
	who := caller{from: r.RemoteAddr, agent: strings.ToValidUTF8(r.UserAgent(), "?")}
	if len(who.agent) > maxAgent {
		who.agent = strings.ToValidUTF8(who.agent[:maxAgent], "")
	}
	if address, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		// What a relay on this machine passes on comes from elsewhere.
		who.local = address.Addr().Unmap().IsLoopback() && r.Header.Get("X-Forwarded-For") == "" && r.Header.Get("Forwarded") == ""
	}
	if want, configured := a.config().Admin.Token(); configured {
		presented, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		// Hashes are of one length, so that the comparison tells nothing of it.
		got, wanted := sha256.Sum256([]byte(presented)), sha256.Sum256([]byte(want))
		who.token = isBearer && subtle.ConstantTimeCompare(got[:], wanted[:]) == 1
	}
	return who
}

// checkHost refuses a name that is not known to be this process's. Addresses are
// fine: no page can have been loaded from one that leads elsewhere.
func (a *access) checkHost(r *http.Request) error {
	host := hostOf(r.Host)
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" {
		return nil
	}
	cfg := a.config().Admin
	if host != "" && (host == hostOf(cfg.Address) || slices.ContainsFunc(cfg.Hosts, func(known string) bool { return strings.EqualFold(known, host) })) {
		return nil
	}
	return refuse(http.StatusMisdirectedRequest, "this process is not known by the name %q: ask by address or as localhost, or add the name to admin.hosts", r.Host)
}

// hostOf is address without its port and brackets, in lower case.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	return strings.ToLower(strings.Trim(address, "[]"))
}
