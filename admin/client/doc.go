// Package client asks the admin API of a running fsproxy, for the commands that
// do so. It goes past any HTTP proxy of the environment, which could not reach
// another Pod's loopback.
package client
