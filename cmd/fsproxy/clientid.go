package main

import (
	"os"

	"github.com/fsproxy/fsproxy/config"
)

// clientID is what an RCM is told this client is. A host without a name goes by
// its address.
func clientID(upstream config.Upstream) string {
	if upstream.ClientID != "" {
		return upstream.ClientID
	}
	name, err := os.Hostname()
	if err != nil || name == "localhost" {
		return ""
	}
	return name
}
