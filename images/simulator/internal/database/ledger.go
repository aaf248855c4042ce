package database

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"firedrill.dev/simulator/internal/failure"
	"firedrill.dev/simulator/internal/payload"
	"firedrill.dev/simulator/internal/payment"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/trace"
)

const (
	openingBalance = 100_000_000 // cents
	historyLength  = 20          // entries
)

func init() {
	Register("ledger", &Schema{
		Create: createLedger,
		Operations: map[string]Operation{
			"transfer": transfer, "settle": settle, "read": readBalance, "history": history, "reconcile": reconcile,
		},
	})
}

const ledgerTables = `
CREATE TABLE IF NOT EXISTS accounts (
  id            bigint PRIMARY KEY,
  balance_cents bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS transactions (
  id         text PRIMARY KEY,
  booked_at  timestamptz NOT NULL DEFAULT now(),
  settled_at timestamptz
);
CREATE TABLE IF NOT EXISTS entries (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tx           text NOT NULL REFERENCES transactions (id),
  account      bigint NOT NULL REFERENCES accounts (id),
  amount_cents bigint NOT NULL,
  at           timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS entries_of_account ON entries (account, id);
CREATE INDEX IF NOT EXISTS entries_of_tx ON entries (tx);`

func createLedger(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, ledgerTables); err != nil {
		return fmt.Errorf("ledger tables: %w", err)
	}
	_, err := tx.Exec(ctx,
		"INSERT INTO accounts SELECT n, $1 FROM generate_series(1, $2::bigint) AS n ON CONFLICT DO NOTHING",
		openingBalance, payment.Accounts)
	if err != nil {
		return fmt.Errorf("accounts: %w", err)
	}
	return nil
}

// requested is the payment of the request; a request without one stands for a payment drawn from its random key, known
// by its trace.
func requested(ctx context.Context) *payment.Payment {
	if body := payload.From(ctx).Payment; body != nil {
		return body
	}
	drawn := payment.New(seeded.From(ctx))
	drawn.ID = trace.From(ctx).TraceHex()
	return drawn
}

// transfer books the payment, or does nothing if it is booked already.
func transfer(ctx context.Context, pool *pgxpool.Pool) (any, error) {
	order := requested(ctx)
	booked := false
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		inserted, err := tx.Exec(ctx, "INSERT INTO transactions (id) VALUES ($1) ON CONFLICT DO NOTHING", order.ID)
		if err != nil || inserted.RowsAffected() == 0 {
			return err
		}
		booked = true
		return book(ctx, tx, order)
	})
	return map[string]any{"tx": order.ID, "booked": booked}, err
}

func book(ctx context.Context, tx pgx.Tx, order *payment.Payment) error {
	// Always in the order of the accounts' ids: two payments between the same accounts must not wait for each other.
	changes := []struct{ account, amount int64 }{{order.AccountFrom, -order.AmountCents}, {order.AccountTo, order.AmountCents}}
	if order.AccountTo < order.AccountFrom {
		changes[0], changes[1] = changes[1], changes[0]
	}
	batch := new(pgx.Batch)
	for _, change := range changes {
		batch.Queue("UPDATE accounts SET balance_cents = balance_cents + $2 WHERE id = $1", change.account, change.amount)
		batch.Queue("INSERT INTO entries (tx, account, amount_cents) VALUES ($1, $2, $3)", order.ID, change.account, change.amount)
	}
	return tx.SendBatch(ctx, batch).Close()
}

var errNotBooked = fmt.Errorf("the payment is not booked: %w", failure.ErrPermanent)

// settle marks the payment as settled; the first time counts.
func settle(ctx context.Context, pool *pgxpool.Pool) (any, error) {
	order := requested(ctx)
	var at time.Time
	err := pool.QueryRow(ctx,
		"UPDATE transactions SET settled_at = coalesce(settled_at, now()) WHERE id = $1 RETURNING settled_at", order.ID).Scan(&at)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errNotBooked
	}
	return map[string]any{"tx": order.ID, "settled_at": at}, err
}

func readBalance(ctx context.Context, pool *pgxpool.Pool) (any, error) {
	account, balance := requested(ctx).AccountFrom, int64(0)
	err := pool.QueryRow(ctx, "SELECT balance_cents FROM accounts WHERE id = $1", account).Scan(&balance)
	return map[string]any{"account": account, "balance_cents": balance}, err
}

type entry struct {
	Tx          string    `json:"tx"`
	AmountCents int64     `json:"amount_cents"`
	At          time.Time `json:"at"`
}

func history(ctx context.Context, pool *pgxpool.Pool) (any, error) {
	account := requested(ctx).AccountFrom
	rows, err := pool.Query(ctx,
		"SELECT tx, amount_cents, at FROM entries WHERE account = $1 ORDER BY id DESC LIMIT $2", account, historyLength)
	if err != nil {
		return nil, err
	}
	entries, err := pgx.CollectRows(rows, pgx.RowToStructByPos[entry])
	return map[string]any{"account": account, "entries": entries}, err
}

// Reconciliation compares the books with what they must say.
type Reconciliation struct {
	// EntriesCents is the sum of all entries; it must be 0.
	EntriesCents int64 `json:"entries_cents"`
	// BalancesCents is the sum of all balances; it must be ExpectedCents.
	BalancesCents int64 `json:"balances_cents"`
	ExpectedCents int64 `json:"expected_cents"`
	// Deviating counts accounts whose balance is not the opening balance plus their entries.
	Deviating int64 `json:"deviating_accounts"`
	// Transactions and Settled count payments.
	Transactions int64 `json:"transactions"`
	Settled      int64 `json:"settled"`
}

var errUnbalanced = errors.New("the books do not balance")

// reconcile fails if the sums are wrong. It is one statement, so all of it sees the same moment.
func reconcile(ctx context.Context, pool *pgxpool.Pool) (any, error) {
	sums := Reconciliation{ExpectedCents: payment.Accounts * openingBalance}
	err := pool.QueryRow(ctx, `
WITH booked AS (SELECT account, sum(amount_cents)::bigint AS cents FROM entries GROUP BY account)
SELECT coalesce((SELECT sum(cents) FROM booked), 0)::bigint,
       (SELECT sum(balance_cents) FROM accounts)::bigint,
       (SELECT count(*) FROM accounts LEFT JOIN booked ON booked.account = accounts.id
         WHERE accounts.balance_cents <> $1 + coalesce(booked.cents, 0)),
       (SELECT count(*) FROM transactions),
       (SELECT count(settled_at) FROM transactions)`, int64(openingBalance),
	).Scan(&sums.EntriesCents, &sums.BalancesCents, &sums.Deviating, &sums.Transactions, &sums.Settled)
	if err == nil && (sums.EntriesCents != 0 || sums.BalancesCents != sums.ExpectedCents || sums.Deviating != 0) {
		err = fmt.Errorf("%w: %+v", errUnbalanced, sums)
	}
	return sums, err
}
