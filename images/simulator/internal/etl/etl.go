// Package etl is the role etl: a batch that reads the FHIR database into daily aggregates.
package etl

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/database"
	"firedrill.dev/simulator/internal/fhirstore"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/seeded"
)

const (
	defaultInterval = 5 * time.Minute
	batchTimeout    = 5 * time.Minute
	progressName    = "daily_aggregates"
	// overlap is read twice: what was written in a transaction that was open at the last batch has an earlier time.
	overlap = 30 * time.Second
	// batchLock lets one replica at a time run a batch.
	batchLock = 0x4554_4c31
)

func init() { role.Register("etl", New) }

type etl struct {
	rt       *role.Runtime
	database *database.Client
	interval time.Duration

	success  prometheus.Gauge
	rows     prometheus.Gauge
	read     prometheus.Gauge
	duration prometheus.Gauge
	batches  *prometheus.CounterVec
}

// New sets the role up.
func New(_ context.Context, rt *role.Runtime) (role.Role, error) {
	e := &etl{rt: rt}
	var err error
	if e.database, err = rt.OnlyDatabase(fhirstore.Model); err != nil {
		return nil, err
	}
	if e.interval, err = rt.Seconds("interval", defaultInterval); err != nil {
		return nil, err
	}
	gauge := func(name, help string) prometheus.Gauge {
		return metrics.Gauge(rt.Metrics, name, help).WithLabelValues()
	}
	e.success = gauge("etl_last_success_timestamp_seconds", "When a batch succeeded last.")
	e.rows = gauge("etl_rows", "Aggregates that the latest batch wrote.")
	e.read = gauge("etl_resources_read", "Resources that were new or changed for the latest batch.")
	e.duration = gauge("etl_duration_seconds", "Time of the latest batch that succeeded.")
	e.batches = metrics.Counter(rt.Metrics, "etl_batches_total", "Batches run.", "outcome")
	return e, nil
}

// Run runs a batch every interval until ctx is done.
func (e *etl) Run(ctx context.Context) error {
	ticker := time.NewTicker(e.interval)
	defer ticker.Stop()
	for ordinal := uint64(0); ; ordinal++ {
		if e.database.Created() {
			e.batch(ctx, ordinal)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (e *etl) batch(ctx context.Context, ordinal uint64) {
	ctx, cancel := context.WithTimeout(seeded.With(ctx, e.rt.Key.Child(ordinal)), batchTimeout)
	defer cancel()
	started := time.Now()
	var read, written int64
	err := e.database.Do(ctx, "etl", func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, e.database.Pool, func(tx pgx.Tx) (err error) {
			read, written, err = transform(ctx, tx)
			return err
		})
	})
	if err != nil {
		e.batches.WithLabelValues("error").Inc()
		e.rt.Log.Error("a batch failed; the next one reads the same again", "error", err.Error())
		return
	}
	e.batches.WithLabelValues("ok").Inc()
	e.read.Set(float64(read))
	e.rows.Set(float64(written))
	e.duration.Set(time.Since(started).Seconds())
	e.success.Set(float64(time.Now().UnixMilli()) / 1000)
	e.rt.Log.Info("a batch is done", "read", read, "written", written, "duration_ms", time.Since(started).Milliseconds())
}

// aggregate computes anew all days that have an observation written since $1; doing so twice changes nothing. An
// observation that was deleted leaves its day when another one of that day is written.
const aggregate = `
WITH observed AS MATERIALIZED (
  SELECT left(body->>'effectiveDateTime', 10)::date AS day, body#>>'{code,coding,0,code}' AS code,
         (body#>>'{valueQuantity,value}')::float8 AS value, updated_at
  FROM resources
  WHERE type = 'Observation' AND body->>'effectiveDateTime' ~ '^\d{4}-\d{2}-\d{2}' AND body#>>'{code,coding,0,code}' IS NOT NULL
), touched AS (SELECT DISTINCT day FROM observed WHERE updated_at > $1)
INSERT INTO daily_aggregates (day, code, count, mean, minimum, maximum)
SELECT day, code, count(*), avg(value), min(value), max(value) FROM observed JOIN touched USING (day) GROUP BY day, code
ON CONFLICT (day, code) DO UPDATE
SET count = excluded.count, mean = excluded.mean, minimum = excluded.minimum, maximum = excluded.maximum`

func transform(ctx context.Context, tx pgx.Tx) (read, written int64, err error) {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", batchLock); err != nil {
		return 0, 0, err
	}
	var from, upto time.Time
	err = tx.QueryRow(ctx, "SELECT read_upto, clock_timestamp() FROM etl_progress WHERE name = $1", progressName).Scan(&from, &upto)
	if errors.Is(err, pgx.ErrNoRows) {
		from = time.Unix(0, 0)
		err = tx.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&upto)
	}
	if err != nil {
		return 0, 0, err
	}
	from = from.Add(-overlap)
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM resources WHERE updated_at > $1", from).Scan(&read); err != nil {
		return 0, 0, err
	}
	done, err := tx.Exec(ctx, aggregate, from)
	if err != nil {
		return 0, 0, fmt.Errorf("aggregates: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO etl_progress (name, read_upto) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET read_upto = excluded.read_upto`, progressName, upto)
	return read, done.RowsAffected(), err
}
