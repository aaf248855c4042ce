// Package trace carries W3C trace context through a service and exports spans over OTLP/HTTP.
package trace

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// Header is the name of the W3C trace context header.
const Header = "traceparent"

// Context identifies one span of one trace.
type Context struct {
	TraceID [16]byte
	SpanID  [8]byte
}

// NewContext starts a trace.
func NewContext() Context {
	var c Context
	binary.BigEndian.PutUint64(c.TraceID[:8], rand.Uint64())
	binary.BigEndian.PutUint64(c.TraceID[8:], rand.Uint64()|1) // an all-zero id is invalid
	c.SpanID = newSpanID()
	return c
}

// Parse reads a traceparent header; ok is false if it is absent or malformed.
func Parse(header string) (c Context, ok bool) {
	if len(header) < 55 || header[2] != '-' || header[35] != '-' || header[52] != '-' || header[:2] == "ff" {
		return Context{}, false
	}
	if _, err := hex.Decode(c.TraceID[:], []byte(header[3:35])); err != nil {
		return Context{}, false
	}
	if _, err := hex.Decode(c.SpanID[:], []byte(header[36:52])); err != nil {
		return Context{}, false
	}
	return c, c.TraceID != [16]byte{} && c.SpanID != [8]byte{}
}

// Child is a new span of the same trace.
func (c Context) Child() Context { return Context{c.TraceID, newSpanID()} }

// String is the traceparent header, marked as sampled.
func (c Context) String() string {
	return "00-" + c.TraceHex() + "-" + c.SpanHex() + "-01"
}

// TraceHex is the trace's id as in the header.
func (c Context) TraceHex() string { return hex.EncodeToString(c.TraceID[:]) }

// SpanHex is the span's id as in the header.
func (c Context) SpanHex() string { return hex.EncodeToString(c.SpanID[:]) }

// Sampled tells whether the trace belongs to the given share of all traces; every service decides the same.
func (c Context) Sampled(share float64) bool {
	return float64(binary.BigEndian.Uint64(c.TraceID[8:])>>11)/(1<<53) < share
}

func newSpanID() (id [8]byte) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64()|1)
	return id
}

type contextKey struct{}

// With attaches a span to a context.
func With(ctx context.Context, span Context) context.Context {
	return context.WithValue(ctx, contextKey{}, span)
}

// From is the span attached to ctx; the zero Context if there is none.
func From(ctx context.Context) Context {
	span, _ := ctx.Value(contextKey{}).(Context)
	return span
}
