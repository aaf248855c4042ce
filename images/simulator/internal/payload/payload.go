// Package payload carries the body that a chain of services passes on.
package payload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"firedrill.dev/simulator/internal/payment"
)

// MaxBytes bounds a body.
const MaxBytes = 64 << 10

// Payload is a JSON object, passed on unchanged.
type Payload struct {
	Raw []byte
	// Payment is what Raw says if it is a payment, else nil.
	Payment *payment.Payment
}

// Parse reads a body. An empty one gives an empty payload; anything else must be a JSON object, and a whole payment if it
// has an amount.
func Parse(body []byte) (Payload, error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return Payload{}, nil
	}
	if body[0] != '{' || !json.Valid(body) {
		return Payload{}, errors.New("the body is not a JSON object")
	}
	var probe struct {
		Amount *json.RawMessage `json:"amount_cents"`
	}
	if err := json.Unmarshal(body, &probe); err != nil {
		return Payload{}, fmt.Errorf("the body is not a JSON object: %w", err)
	}
	if probe.Amount == nil {
		return Payload{Raw: body}, nil
	}
	parsed := new(payment.Payment)
	if err := json.Unmarshal(body, parsed); err != nil {
		return Payload{}, fmt.Errorf("not a payment: %w", err)
	}
	if err := parsed.Check(); err != nil {
		return Payload{}, fmt.Errorf("not a payment: %w", err)
	}
	return Payload{body, parsed}, nil
}

type contextKey struct{}

// With attaches a payload to a context.
func With(ctx context.Context, p Payload) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// From is the payload attached to ctx; an empty one if there is none.
func From(ctx context.Context) Payload {
	p, _ := ctx.Value(contextKey{}).(Payload)
	return p
}
