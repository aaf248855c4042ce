// Package database runs the operations of schemas in PostgreSQL.
package database

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/trace"
)

const (
	maxConnections    = 4
	connectionIdle    = 2 * time.Minute
	connectTimeout    = 3 * time.Second
	schemaTimeout     = time.Minute
	schemaRetry       = 2 * time.Second
	slowQueriesStream = 1 << 33
)

// Metrics of all databases of a process.
type Metrics struct {
	registry prometheus.Registerer
	queries  *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

// NewMetrics makes the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	return &Metrics{
		registry: registry,
		queries:  metrics.Counter(registry, "db_queries_total", "Operations run in a database.", "database", "operation", "outcome"),
		duration: metrics.Histogram(registry, "db_query_duration_seconds", "Time of an operation in a database.", metrics.Buckets, "database", "operation"),
	}
}

// Client uses one database. It is safe for concurrent use.
type Client struct {
	// Pool is open to roles with statements of their own; prefer Run, which measures.
	Pool    *pgxpool.Pool
	name    string
	schema  *Schema
	created atomic.Bool
	lost    chan struct{}
	metrics *Metrics
	flags   *flags.Set
	tracer  *trace.Tracer
	log     *slog.Logger
	// extensions create tables beside those of the schema.
	extensions []func(ctx context.Context, tx pgx.Tx) error
}

// New makes a client that connects when it is first used; Maintain creates the schema.
func New(name string, database config.Database, shared *Metrics, set *flags.Set, tracer *trace.Tracer, log *slog.Logger) (*Client, error) {
	schema := schemas[database.Schema]
	if schema == nil {
		return nil, &config.Error{Field: "databases." + name + ".schema", Reason: fmt.Sprintf("%q is none of %s", database.Schema, schemaNames())}
	}
	options, err := pgxpool.ParseConfig(database.URL)
	if err != nil {
		return nil, &config.Error{Field: "databases." + name + ".url", Reason: err.Error()}
	}
	options.MaxConns = maxConnections
	options.MinConns = 0
	options.MaxConnIdleTime = connectionIdle
	options.ConnConfig.ConnectTimeout = connectTimeout
	options.ConnConfig.RuntimeParams["application_name"] = name
	pool, err := pgxpool.NewWithConfig(context.Background(), options)
	if err != nil {
		return nil, err
	}
	client := &Client{Pool: pool, name: name, schema: schema, metrics: shared, flags: set, tracer: tracer, log: log, lost: make(chan struct{}, 1)}
	if schema.Metrics != nil {
		schema.Metrics(shared.registry)
	}
	return client, nil
}

// Has tells whether the database's schema has an operation.
func (c *Client) Has(operation string) bool { return c.schema.Operations[operation] != nil }

// Maintain creates the schema, and again when the database has lost it, until ctx is done.
func (c *Client) Maintain(ctx context.Context) {
	complaint := ""
	for ctx.Err() == nil {
		err := c.createOnce(ctx)
		if err == nil {
			complaint = ""
			c.created.Store(true)
			c.log.Info("the schema is there", "database", c.name)
			select {
			case <-ctx.Done():
			case <-c.lost:
				c.log.Warn("the database has lost the schema", "database", c.name)
			}
			continue
		}
		if text := err.Error(); text != complaint && ctx.Err() == nil {
			complaint = text
			c.log.Warn("the schema could not be created yet", "database", c.name, "error", text)
		}
		select {
		case <-ctx.Done():
		case <-time.After(schemaRetry):
		}
	}
}

// creationLock is the key of the advisory lock that lets one replica at a time create tables.
const creationLock = 0x5349_4d55

func (c *Client) createOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, schemaTimeout)
	defer cancel()
	return pgx.BeginFunc(ctx, c.Pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", creationLock); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, createArchive); err != nil {
			return fmt.Errorf("archive: %w", err)
		}
		if err := c.schema.Create(ctx, tx); err != nil {
			return err
		}
		for _, create := range c.extensions {
			if err := create(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// Check tells whether the database answers and has the schema.
func (c *Client) Check(ctx context.Context) error {
	present := false
	if err := c.Pool.QueryRow(ctx, "SELECT to_regclass('archive') IS NOT NULL").Scan(&present); err != nil {
		return err
	}
	if c.created.Load() && !present {
		c.created.Store(false)
		c.lost <- struct{}{}
	}
	if !c.created.Load() {
		return errors.New("the schema is not created yet")
	}
	return nil
}

// Run runs an operation for the request of ctx and gives what it found, for the response. Under the flag slowQueries a
// share of the operations scan a large table first.
func (c *Client) Run(ctx context.Context, operation string) (any, error) {
	act := c.schema.Operations[operation]
	if act == nil {
		return nil, fmt.Errorf("database %s has no operation %q", c.name, operation)
	}
	var found any
	err := c.Do(ctx, operation, func(ctx context.Context) (err error) {
		found, err = act(ctx, c.Pool)
		return err
	})
	return found, err
}

// Do is Run for an operation of a role's own, which uses Pool.
func (c *Client) Do(ctx context.Context, operation string, act func(ctx context.Context) error) error {
	ctx, span := c.tracer.Start(ctx, "query "+c.name+" "+operation, trace.Client)
	started := time.Now()
	err := c.scanArchive(ctx)
	if err == nil {
		err = act(ctx)
	}
	outcome := "ok"
	if err != nil {
		outcome = "error"
		err = fmt.Errorf("database %s: %s: %w", c.name, operation, err)
	}
	c.metrics.queries.WithLabelValues(c.name, operation, outcome).Inc()
	c.metrics.duration.WithLabelValues(c.name, operation).Observe(time.Since(started).Seconds())
	span.Set("db.system", config.Postgres)
	span.End(err)
	return err
}

// Created tells whether the schema is known to be there.
func (c *Client) Created() bool { return c.created.Load() }

// Extend adds a role's own tables to the schema. It is called before the service runs.
func (c *Client) Extend(create func(ctx context.Context, tx pgx.Tx) error) {
	c.extensions = append(c.extensions, create)
}

func (c *Client) scanArchive(ctx context.Context) error {
	if !seeded.From(ctx).Child(slowQueriesStream).Chance(c.flags.Value(flags.SlowQueries)) {
		return nil
	}
	var matches int64
	return c.Pool.QueryRow(ctx, scanArchive).Scan(&matches)
}

// Close ends the connections.
func (c *Client) Close() { c.Pool.Close() }
