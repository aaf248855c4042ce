package scripted

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/payload"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/trace"
)

// auditOption names the kind of the audit records that a service writes for each payment it handles; absent means none.
const auditOption = "audit"

type auditor struct {
	kind   string
	log    *slog.Logger
	events prometheus.Counter
}

func newAuditor(rt *role.Runtime) *auditor {
	a := &auditor{kind: rt.Option(auditOption, ""), log: rt.Log}
	if a.kind != "" {
		a.events = rt.Audit.WithLabelValues(a.kind)
	}
	return a
}

// request records who moved money, with the card masked; audit records are never sampled.
func (a *auditor) request(ctx context.Context, route string, body payload.Payload) {
	if a.kind == "" || body.Payment == nil {
		return
	}
	a.events.Inc()
	span := trace.From(ctx)
	a.log.LogAttrs(ctx, slog.LevelInfo, "audit",
		slog.String("audit", a.kind), slog.String("trace_id", span.TraceHex()), slog.String("span_id", span.SpanHex()),
		slog.String("route", route), slog.String("payment", body.Payment.ID), slog.String("card", body.Payment.MaskedCard()),
		slog.Int64("account", body.Payment.AccountFrom))
}
