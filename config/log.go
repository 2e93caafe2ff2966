package config

import (
	"io"
	"log/slog"
)

// Log is what is logged, and how.
type Log struct {
	Level  string `mapstructure:"level"`  // debug, info, warn, error
	Format string `mapstructure:"format"` // text, json
}

// Handler writes log lines to w. The level is the caller's to change later, by
// setting it from another configuration's [Log.SlogLevel].
func (l Log) Handler(w io.Writer, level *slog.LevelVar) slog.Handler {
	level.Set(l.SlogLevel())
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.NewJSONHandler(w, options)
	}
	return slog.NewTextHandler(w, options)
}

// SlogLevel is Level as slog counts it.
func (l Log) SlogLevel() slog.Level {
	switch l.Level {
	case "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error":
		return slog.LevelError
	default:
		return slog.LevelInfo
	}
}
