// Package kubernetes finds the fleet of an RCM among Pods: it lists those of a
// label selector and watches them at the API server, without a client library.
//
// A watch is resumed where it ended, by the resource version last heard of, and
// everything is listed anew when the server no longer has that. While the
// server is away the Pods last known stay known. The token is read again as it
// is renewed. Nothing is ever written to the API server.
package kubernetes
