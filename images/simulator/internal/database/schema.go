package database

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

// Operation does one thing in a database for the request of ctx (its payload, its seeded key, its trace) and gives what
// it found for the response, or nil.
type Operation func(ctx context.Context, pool *pgxpool.Pool) (any, error)

// Schema is a set of tables and the operations on them.
type Schema struct {
	// Create creates the tables that are missing; it holds a lock that no other replica has.
	Create     func(ctx context.Context, tx pgx.Tx) error
	Operations map[string]Operation
	// Metrics, if any, registers metrics of the schema's own.
	Metrics func(registry prometheus.Registerer)
}

var schemas = map[string]*Schema{}

// Register adds a schema; it panics if the name is taken. It is called from init functions only.
func Register(name string, schema *Schema) {
	if schemas[name] != nil {
		panic("schema " + name + " is registered twice")
	}
	schemas[name] = schema
}

func schemaNames() string { return strings.Join(slices.Sorted(maps.Keys(schemas)), ", ") }

// The archive is what slow queries read: large, and without an index that helps them.
const (
	createArchive = `
DO $$ BEGIN
  IF to_regclass('archive') IS NULL THEN
    CREATE TABLE archive AS
      SELECT n AS id, md5(n::text) || md5((n + 1)::text) || md5((n + 2)::text) AS note FROM generate_series(1, 100000) AS n;
  END IF;
END $$`
	scanArchive = `SELECT count(*) FROM archive WHERE reverse(note) LIKE '%0000%1111%'`
)
