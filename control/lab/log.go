package lab

import (
	"io"
	"log/slog"
	"time"
)

// LogConfig says how a daemon logs.
type LogConfig struct {
	Format string // "text" or "json"
	// Level from which on lines are written once the lab is ready; before,
	// only warnings are.
	Level slog.Level
}

// newLog writes lines for people, with the time of day only, or JSON.
func newLog(out io.Writer, format string, level slog.Leveler) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey && len(groups) == 0 {
				a.Value = slog.StringValue(a.Value.Time().Format(time.TimeOnly))
			}
			return a
		},
	}))
}
