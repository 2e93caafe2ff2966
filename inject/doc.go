// Package inject puts fsproxy into Pods.
//
// An [Injector] changes one Pod: it adds the sidecar, and points the
// application's environment variables at it. It says why where it cannot be
// right, and then leaves the Pod as it was, so that it reaches its store by
// itself. What it does not own, it does not touch: a Pod is handled as plain
// JSON, so fields that nobody here has heard of survive.
//
// A [Server] answers the API server's admission reviews with that, [Render]
// does it to files. A [Keeper] makes the server's certificates where nobody
// else does.
package inject
