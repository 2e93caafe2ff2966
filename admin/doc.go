// Package admin is the HTTP side of a running fsproxy: metrics, health, version
// and profiles, the API below /api/v1 (package api has its shapes, openapi.yaml
// describes it), and the page at / that shows the same to a person.
//
// It reads what the other packages count. What it changes (the mode, what is
// held, the configuration) it changes through them, for callers that may
// (access.go), and each change is logged.
package admin
