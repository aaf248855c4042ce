// Package reconcile is the role reconcile: it checks again and again that the sums of the ledger agree.
package reconcile

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/database"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/seeded"
)

const (
	defaultInterval = 30 * time.Second
	checkTimeout    = 30 * time.Second
)

func init() { role.Register("reconcile", New) }

type reconciler struct {
	rt       *role.Runtime
	ledger   *database.Client
	interval time.Duration

	imbalance  prometheus.Gauge
	deviating  prometheus.Gauge
	reconciled prometheus.Gauge
	entries    prometheus.Gauge
	unsettled  prometheus.Gauge
	checks     *prometheus.CounterVec
}

// New sets the role up.
func New(_ context.Context, rt *role.Runtime) (role.Role, error) {
	r := &reconciler{rt: rt}
	var err error
	if r.ledger, err = rt.OnlyDatabase("ledger"); err != nil {
		return nil, err
	}
	if r.interval, err = rt.Seconds("interval", defaultInterval); err != nil {
		return nil, err
	}
	gauge := func(name, help string) prometheus.Gauge {
		return metrics.Gauge(rt.Metrics, name, help).WithLabelValues()
	}
	r.imbalance = gauge("ledger_imbalance_cents", "By how much the sums of entries and balances are off, in cents.")
	r.deviating = gauge("ledger_deviating_accounts", "Accounts whose balance is not what their entries say.")
	r.reconciled = gauge("ledger_reconciled_timestamp_seconds", "When the ledger was checked last, whatever was found.")
	r.entries = gauge("ledger_entries", "Entries of the ledger.")
	r.unsettled = gauge("ledger_unsettled_payments", "Payments that are booked and not settled.")
	r.checks = metrics.Counter(rt.Metrics, "ledger_reconciliations_total", "Checks of the ledger.", "outcome")
	return r, nil
}

// Run checks the ledger every interval until ctx is done.
func (r *reconciler) Run(ctx context.Context) error {
	ticker := time.NewTicker(r.interval)
	defer ticker.Stop()
	for ordinal := uint64(0); ; ordinal++ {
		if r.ledger.Created() {
			r.check(ctx, ordinal)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (r *reconciler) check(ctx context.Context, ordinal uint64) {
	ctx, cancel := context.WithTimeout(seeded.With(ctx, r.rt.Key.Child(ordinal)), checkTimeout)
	defer cancel()
	found, err := r.ledger.Run(ctx, "reconcile")
	sums, known := found.(database.Reconciliation)
	unbalanced := database.IsUnbalanced(err)
	if !known || (err != nil && !unbalanced) {
		r.checks.WithLabelValues("error").Inc()
		r.rt.Log.Error("the ledger could not be checked", "error", err)
		return
	}
	var entries int64
	err = r.ledger.Do(ctx, "count", func(ctx context.Context) error {
		return r.ledger.Pool.QueryRow(ctx, "SELECT count(*) FROM entries").Scan(&entries)
	})
	if err != nil {
		r.rt.Log.Error("the entries could not be counted", "error", err.Error())
	} else {
		r.entries.Set(float64(entries))
	}
	r.imbalance.Set(float64(sums.ImbalanceCents()))
	r.deviating.Set(float64(sums.Deviating))
	r.unsettled.Set(float64(sums.Transactions - sums.Settled))
	r.reconciled.Set(float64(time.Now().UnixMilli()) / 1000)
	if unbalanced {
		r.checks.WithLabelValues("unbalanced").Inc()
		r.rt.Log.Error("the books do not balance", "imbalance_cents", sums.ImbalanceCents(), "deviating_accounts", sums.Deviating)
		return
	}
	r.checks.WithLabelValues("balanced").Inc()
}
