// Package importer makes a feature catalogue of what others know of features: a
// Feast registry, or a table. What it makes is a beginning for people to
// complete: neither source knows how long a value may be kept.
package importer
