package fhirstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"firedrill.dev/simulator/internal/database"
)

// Errors of the store.
var (
	ErrNotFound = errors.New("there is no such resource")
	ErrGone     = errors.New("the resource was deleted")
	ErrConflict = errors.New("the resource has another version")
)

// AnyVersion makes a write unconditional.
const AnyVersion = 0

// Stored is a resource as it is kept. Body has neither id nor meta; Present adds them.
type Stored struct {
	ID        string
	Version   int64
	UpdatedAt time.Time
	Body      []byte
}

// Value is one value of a search parameter.
type Value struct{ Parameter, Value string }

// Store reads and writes resources.
type Store struct{ client *database.Client }

// New makes a store in a database with the table model.
func New(client *database.Client) *Store { return &Store{client} }

// Put writes a resource under its id and gives its new version; 1 for one that is new. With a version other than
// AnyVersion it fails with ErrConflict unless that is the one that is there.
func (s *Store) Put(ctx context.Context, kind, id string, body []byte, values []Value, version int64) (Stored, error) {
	stored := Stored{ID: id, Body: body}
	err := s.client.Do(ctx, "put", func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.client.Pool, func(tx pgx.Tx) error {
			if version != AnyVersion {
				if err := expect(ctx, tx, kind, id, version); err != nil {
					return err
				}
			}
			err := tx.QueryRow(ctx, `
INSERT INTO resources (type, id, version, updated_at, body) VALUES ($1, $2, 1, clock_timestamp(), $3)
ON CONFLICT (type, id) DO UPDATE SET version = resources.version + 1, updated_at = clock_timestamp(), body = excluded.body
RETURNING version, updated_at`, kind, id, body).Scan(&stored.Version, &stored.UpdatedAt)
			if err != nil {
				return err
			}
			return replaceValues(ctx, tx, kind, id, values, stored.Version > 1)
		})
	})
	return stored, err
}

func expect(ctx context.Context, tx pgx.Tx, kind, id string, version int64) error {
	var present int64
	err := tx.QueryRow(ctx, "SELECT version FROM resources WHERE type = $1 AND id = $2 FOR UPDATE", kind, id).Scan(&present)
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && present != version) {
		return ErrConflict
	}
	return err
}

func replaceValues(ctx context.Context, tx pgx.Tx, kind, id string, values []Value, replace bool) error {
	batch := new(pgx.Batch)
	if replace {
		batch.Queue("DELETE FROM search_values WHERE type = $1 AND id = $2", kind, id)
	}
	for _, value := range values {
		batch.Queue("INSERT INTO search_values VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", kind, id, value.Parameter, value.Value)
	}
	return tx.SendBatch(ctx, batch).Close()
}

// Get reads a resource.
func (s *Store) Get(ctx context.Context, kind, id string) (Stored, error) {
	stored := Stored{ID: id}
	found := true
	err := s.client.Do(ctx, "get", func(ctx context.Context) error {
		err := s.client.Pool.QueryRow(ctx, "SELECT version, updated_at, body FROM resources WHERE type = $1 AND id = $2", kind, id).
			Scan(&stored.Version, &stored.UpdatedAt, &stored.Body)
		if errors.Is(err, pgx.ErrNoRows) {
			found = false // an answer, not a failure of the database
			return nil
		}
		return err
	})
	switch {
	case err != nil:
		return Stored{}, err
	case !found:
		return Stored{}, ErrNotFound
	case stored.Body == nil:
		return stored, ErrGone
	}
	return stored, nil
}

// Delete removes a resource and gives the version that stands for its absence.
func (s *Store) Delete(ctx context.Context, kind, id string) (version int64, err error) {
	found := true
	err = s.client.Do(ctx, "delete", func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, s.client.Pool, func(tx pgx.Tx) error {
			err := tx.QueryRow(ctx, `
UPDATE resources SET version = version + CASE WHEN body IS NULL THEN 0 ELSE 1 END, updated_at = clock_timestamp(), body = NULL
WHERE type = $1 AND id = $2 RETURNING version`, kind, id).Scan(&version)
			if errors.Is(err, pgx.ErrNoRows) {
				found = false
				return nil
			}
			if err != nil {
				return err
			}
			return replaceValues(ctx, tx, kind, id, nil, true)
		})
	})
	if err == nil && !found {
		err = ErrNotFound
	}
	return version, err
}

// Condition is what a search asks of one parameter: a value that equals Value, begins with it, or lies on its far side.
type Condition struct {
	Parameter string
	Operator  Operator
	Value     string
}

// Operator of a condition.
type Operator string

// Operators.
const (
	Equal     Operator = "="
	Less      Operator = "<"
	LessEqual Operator = "<="
	More      Operator = ">"
	MoreEqual Operator = ">="
	Prefix    Operator = "prefix"
)

// Search gives the resources that meet all conditions, in the order of their ids after the given one, at most limit.
func (s *Store) Search(ctx context.Context, kind string, conditions []Condition, after string, limit int) ([]Stored, error) {
	var statement strings.Builder
	arguments := []any{kind, after, limit}
	statement.WriteString("SELECT id, version, updated_at, body FROM resources r WHERE type = $1 AND id > $2 AND body IS NOT NULL")
	for _, condition := range conditions {
		n := len(arguments)
		test := fmt.Sprintf("v.value %s $%d", condition.Operator, n+2)
		arguments = append(arguments, condition.Parameter, condition.Value)
		if condition.Operator == Prefix {
			// In the collation C all texts with a prefix lie between it and it with the highest character behind.
			test = fmt.Sprintf("v.value >= $%d AND v.value < $%d", n+2, n+3)
			arguments = append(arguments, condition.Value+"\U0010ffff")
		}
		fmt.Fprintf(&statement, " AND id IN (SELECT v.id FROM search_values v WHERE v.type = $1 AND v.parameter = $%d AND %s)", n+1, test)
	}
	statement.WriteString(" ORDER BY id LIMIT $3")
	var found []Stored
	err := s.client.Do(ctx, "find", func(ctx context.Context) error {
		rows, err := s.client.Pool.Query(ctx, statement.String(), arguments...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Stored])
		return err
	})
	return found, err
}
