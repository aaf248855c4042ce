package trace

import (
	"context"
	"time"
)

// Kind says on which side of a call a span is; the numbers are those of OTLP.
type Kind int

// Kinds of spans.
const (
	Internal Kind = 1
	Server   Kind = 2
	Client   Kind = 3
	Producer Kind = 4
	Consumer Kind = 5
)

// Span is one timed piece of work. It is not safe for concurrent use.
type Span struct {
	Context
	tracer     *Tracer
	parent     [8]byte
	name       string
	kind       Kind
	start      time.Time
	attributes map[string]string
}

// Tracer makes spans and hands those that ended to an exporter, if there is one.
type Tracer struct{ exporter *Exporter }

// NewTracer makes a tracer; with a nil exporter spans carry ids but are not kept.
func NewTracer(exporter *Exporter) *Tracer { return &Tracer{exporter} }

// Start opens a span under the one attached to ctx, or a new trace, and attaches it.
func (t *Tracer) Start(ctx context.Context, name string, kind Kind) (context.Context, *Span) {
	span := &Span{tracer: t, name: name, kind: kind}
	if parent := From(ctx); parent.TraceID != [16]byte{} {
		span.Context, span.parent = parent.Child(), parent.SpanID
	} else {
		span.Context = NewContext()
	}
	if t.exporter != nil {
		span.start = time.Now()
	}
	return With(ctx, span.Context), span
}

// Set adds an attribute.
func (s *Span) Set(key, value string) {
	if s.tracer.exporter == nil {
		return
	}
	if s.attributes == nil {
		s.attributes = map[string]string{}
	}
	s.attributes[key] = value
}

// End closes the span; err marks it as failed.
func (s *Span) End(err error) {
	if s.tracer.exporter != nil {
		s.tracer.exporter.add(s, time.Now(), err)
	}
}
