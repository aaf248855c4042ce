// Package logs writes one JSON object a line: ts (RFC 3339, milliseconds), level, service, msg and what belongs to the event.
package logs

import (
	"context"
	"io"
	"log/slog"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

const timestamp = "2006-01-02T15:04:05.000Z07:00"

// New is a logger of a service; log_lines_total in registry counts its lines.
func New(out io.Writer, service string, registry prometheus.Registerer) *slog.Logger {
	lines := prometheus.NewCounter(prometheus.CounterOpts{Name: "log_lines_total", Help: "Lines written to the log."})
	registry.MustRegister(lines)
	handler := slog.NewJSONHandler(out, &slog.HandlerOptions{ReplaceAttr: rename})
	return slog.New(&counting{handler, lines}).With("service", service)
}

func rename(groups []string, attribute slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return attribute
	}
	switch attribute.Key {
	case slog.TimeKey:
		return slog.String("ts", attribute.Value.Time().UTC().Format(timestamp))
	case slog.LevelKey:
		return slog.String("level", strings.ToLower(attribute.Value.String()))
	}
	return attribute
}

type counting struct {
	slog.Handler
	lines prometheus.Counter
}

func (c *counting) Handle(ctx context.Context, record slog.Record) error {
	c.lines.Inc()
	return c.Handler.Handle(ctx, record)
}

func (c *counting) WithAttrs(attributes []slog.Attr) slog.Handler {
	return &counting{c.Handler.WithAttrs(attributes), c.lines}
}

func (c *counting) WithGroup(name string) slog.Handler {
	return &counting{c.Handler.WithGroup(name), c.lines}
}
