// Package fhirstore keeps FHIR resources in PostgreSQL as JSON, with their search parameters in a table of their own.
package fhirstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"firedrill.dev/simulator/internal/database"
	"firedrill.dev/simulator/internal/seeded"
)

// Model is the name of the table model.
const Model = "fhir"

func init() {
	database.Register(Model, &database.Schema{
		Create:     create,
		Operations: map[string]database.Operation{"read": readSome, "search": searchSome},
	})
}

// A deleted resource stays as a row without a body, so that its version goes on and it is known to be gone.
const tables = `
CREATE TABLE IF NOT EXISTS resources (
  type       text        NOT NULL,
  id         text        NOT NULL,
  version    bigint      NOT NULL,
  updated_at timestamptz NOT NULL,
  body       jsonb,
  PRIMARY KEY (type, id)
);
CREATE INDEX IF NOT EXISTS resources_updated ON resources (updated_at);
CREATE TABLE IF NOT EXISTS search_values (
  type      text NOT NULL,
  id        text NOT NULL,
  parameter text NOT NULL,
  value     text COLLATE "C" NOT NULL,
  PRIMARY KEY (type, id, parameter, value),
  FOREIGN KEY (type, id) REFERENCES resources ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS search_values_found ON search_values (type, parameter, value, id);
CREATE TABLE IF NOT EXISTS daily_aggregates (
  day     date   NOT NULL,
  code    text   NOT NULL,
  count   bigint NOT NULL,
  mean    float8,
  minimum float8,
  maximum float8,
  PRIMARY KEY (day, code)
);
CREATE TABLE IF NOT EXISTS etl_progress (
  name      text PRIMARY KEY,
  read_upto timestamptz NOT NULL
)`

func create(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, tables); err != nil {
		return fmt.Errorf("fhir tables: %w", err)
	}
	return nil
}

// readSome reads some patient: the first one whose id is not below a drawn one.
func readSome(ctx context.Context, pool *pgxpool.Pool) (any, error) {
	var id string
	err := pool.QueryRow(ctx, "SELECT id FROM resources WHERE type = 'Patient' AND id >= $1 AND body IS NOT NULL ORDER BY id LIMIT 1",
		fmt.Sprintf("%08x", uint32(seeded.From(ctx).Uniform()*(1<<32)))).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return map[string]any{"found": false}, nil
	}
	return map[string]any{"found": true, "patient": id}, err
}

// searchSome counts the observations of some patient.
func searchSome(ctx context.Context, pool *pgxpool.Pool) (any, error) {
	var count int64
	err := pool.QueryRow(ctx, `
WITH picked AS (SELECT value FROM search_values WHERE type = 'Observation' AND parameter = 'patient' AND value >= $1 ORDER BY value LIMIT 1)
SELECT count(*) FROM picked JOIN search_values USING (value) WHERE type = 'Observation' AND parameter = 'patient'`,
		fmt.Sprintf("%08x", uint32(seeded.From(ctx).Uniform()*(1<<32)))).Scan(&count)
	return map[string]any{"observations": count}, err
}
