package database

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"firedrill.dev/simulator/internal/seeded"
)

const (
	genericKeys = 1000
	scanRows    = 100
	valueBytes  = 128
)

func init() {
	Register("generic", &Schema{
		Create:     createGeneric,
		Operations: map[string]Operation{"read": readRecord, "write": writeRecord, "scan": scanRecords},
	})
}

func createGeneric(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS records (
  key        bigint PRIMARY KEY,
  value      text NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
)`)
	if err != nil {
		return fmt.Errorf("records: %w", err)
	}
	return nil
}

func recordKey(ctx context.Context) int64 { return seeded.From(ctx).Rand().Int64N(genericKeys) }

func readRecord(ctx context.Context, pool *pgxpool.Pool) (any, error) {
	key, value := recordKey(ctx), ""
	err := pool.QueryRow(ctx, "SELECT value FROM records WHERE key = $1", key).Scan(&value)
	if errors.Is(err, pgx.ErrNoRows) {
		return map[string]any{"key": key, "found": false}, nil
	}
	return map[string]any{"key": key, "found": true}, err
}

func writeRecord(ctx context.Context, pool *pgxpool.Pool) (any, error) {
	key := recordKey(ctx)
	_, err := pool.Exec(ctx, `INSERT INTO records (key, value) VALUES ($1, $2)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = now()`, key, strings.Repeat("v", valueBytes))
	return map[string]any{"key": key}, err
}

func scanRecords(ctx context.Context, pool *pgxpool.Pool) (any, error) {
	rows, err := pool.Query(ctx, "SELECT key FROM records WHERE key >= $1 ORDER BY key LIMIT $2", recordKey(ctx), scanRows)
	if err != nil {
		return nil, err
	}
	keys, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return map[string]any{"records": len(keys)}, err
}
