// Package api has the shapes in which the admin API speaks: the JSON of
// requests, answers and events below [Prefix]. The server (package admin), the
// client (package client) and so every command share them; the OpenAPI file
// that the server gives out describes them for others.
//
// Durations are seconds as a number and carry it in their name; sizes are bytes;
// a figure that is not known is absent rather than zero.
package api
