// Package timeseries keeps the telemetry of devices in PostgreSQL: a table model with a partition for each day.
package timeseries

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"firedrill.dev/simulator/internal/database"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/telemetry"
)

// Model is the name of the table model.
const Model = "telemetry"

const (
	window  = 5 * time.Minute
	sampled = 200 // readings among which one device is picked
	day     = 24 * time.Hour
)

func init() {
	database.Register(Model, &database.Schema{
		Create:     create,
		Operations: map[string]database.Operation{"latest": latest, "range": ranged},
	})
}

// Rows arrive in the order of their time, which a BRIN index describes in a few pages; the B-tree serves single devices.
const tables = `
CREATE TABLE IF NOT EXISTS telemetry (
  at              timestamptz NOT NULL,
  device          text        NOT NULL,
  zone            text        NOT NULL,
  sequence        bigint      NOT NULL,
  firmware        text        NOT NULL,
  speed_kmh       real        NOT NULL,
  battery_percent real        NOT NULL,
  temperature_c   real        NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX IF NOT EXISTS telemetry_at ON telemetry USING brin (at) WITH (pages_per_range = 32);
CREATE INDEX IF NOT EXISTS telemetry_device ON telemetry (device, at DESC);
CREATE TABLE IF NOT EXISTS telemetry_other PARTITION OF telemetry DEFAULT`

func create(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, tables); err != nil {
		return fmt.Errorf("telemetry: %w", err)
	}
	return CreatePartitions(ctx, tx, time.Now())
}

// executor is a connection, a pool or a transaction.
type executor interface {
	Exec(ctx context.Context, sql string, arguments ...any) (pgconn.CommandTag, error)
}

// CreatePartitions makes those of the day and of the next one.
func CreatePartitions(ctx context.Context, on executor, now time.Time) error {
	for _, begin := range []time.Time{startOf(now), startOf(now).Add(day)} {
		statement := fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s PARTITION OF telemetry FOR VALUES FROM ('%s') TO ('%s')",
			partition(begin), begin.Format(time.RFC3339), begin.Add(day).Format(time.RFC3339))
		if _, err := on.Exec(ctx, statement); err != nil {
			return fmt.Errorf("partition of %s: %w", begin.Format(time.DateOnly), err)
		}
	}
	return nil
}

// DropPartitions drops the days that ended before a time; it gives their tables.
func DropPartitions(ctx context.Context, pool *pgxpool.Pool, before time.Time) ([]string, error) {
	rows, err := pool.Query(ctx, `SELECT inhrelid::regclass::text FROM pg_inherits
WHERE inhparent = 'telemetry'::regclass AND inhrelid::regclass::text ~ '^telemetry_[0-9]{8}$' AND inhrelid::regclass::text < $1`,
		partition(before))
	if err != nil {
		return nil, err
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, err := pool.Exec(ctx, "DROP TABLE IF EXISTS "+pgx.Identifier{name}.Sanitize()); err != nil {
			return nil, err
		}
	}
	return names, nil
}

func startOf(at time.Time) time.Time { return at.UTC().Truncate(day) }

func partition(at time.Time) string { return "telemetry_" + startOf(at).Format("20060102") }

var columns = []string{"at", "device", "zone", "sequence", "firmware", "speed_kmh", "battery_percent", "temperature_c"}

// Copy writes readings in one statement: all or none.
func Copy(ctx context.Context, pool *pgxpool.Pool, readings []telemetry.Reading) error {
	_, err := pool.CopyFrom(ctx, pgx.Identifier{"telemetry"}, columns, pgx.CopyFromSlice(len(readings), func(i int) ([]any, error) {
		r := &readings[i]
		return []any{r.At(), r.Device, r.Zone, r.Sequence, r.Firmware, float32(r.SpeedKmh), float32(r.BatteryPercent), float32(r.TemperatureC)}, nil
	}))
	return err
}

// latest is the last reading of some device that spoke lately.
func latest(ctx context.Context, pool *pgxpool.Pool) (any, error) {
	var device string
	var at time.Time
	var speed float32
	err := pool.QueryRow(ctx, `
WITH recent AS (SELECT device FROM telemetry WHERE at > now() - $1::interval LIMIT $2),
     picked AS (SELECT device FROM recent OFFSET (SELECT floor(count(*) * $3::float8)::bigint FROM recent) LIMIT 1)
SELECT t.device, t.at, t.speed_kmh FROM picked JOIN telemetry t USING (device) ORDER BY t.at DESC LIMIT 1`,
		window, sampled, seeded.From(ctx).Uniform()).Scan(&device, &at, &speed)
	if errors.Is(err, pgx.ErrNoRows) {
		return map[string]any{"found": false}, nil
	}
	return map[string]any{"found": true, "device": device, "at": at, "speed_kmh": speed}, err
}

type zoneRange struct {
	Zone     string  `json:"zone"`
	Readings int64   `json:"readings"`
	SpeedKmh float64 `json:"mean_speed_kmh"`
}

// ranged is the mean of each zone over the last minutes.
func ranged(ctx context.Context, pool *pgxpool.Pool) (any, error) {
	rows, err := pool.Query(ctx, `SELECT zone, count(*), avg(speed_kmh)::float8 FROM telemetry
WHERE at > now() - $1::interval GROUP BY zone ORDER BY zone`, window)
	if err != nil {
		return nil, err
	}
	zones, err := pgx.CollectRows(rows, pgx.RowToStructByPos[zoneRange])
	return map[string]any{"zones": zones}, err
}
