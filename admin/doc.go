// Package admin is the HTTP side of a running fsproxy: metrics, health,
// version and profiles. It reads what the other packages count and changes
// nothing.
package admin
