package database

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/payload"
	"firedrill.dev/simulator/internal/payment"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/trace"
)

// urlVariable names a PostgreSQL database that these tests may write to; without it they are skipped.
const urlVariable = "SIMULATOR_TEST_POSTGRES_URL"

func open(t *testing.T, schema string, set ...flags.Flag) *Client {
	t.Helper()
	url := os.Getenv(urlVariable)
	if url == "" {
		t.Skip(urlVariable + " is not set")
	}
	registry := prometheus.NewRegistry()
	held := flags.NewSet()
	held.Replace(set)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	client, err := New("ledger", config.Database{Kind: config.Postgres, URL: url, Schema: schema}, NewMetrics(registry), held, trace.NewTracer(nil), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func request(order *payment.Payment) context.Context {
	return payload.With(seeded.With(context.Background(), seeded.NewKey(1, order.ID)), payload.Payload{Payment: order})
}

func reconciled(t *testing.T, client *Client) Reconciliation {
	t.Helper()
	sums, err := client.Run(context.Background(), "reconcile")
	if err != nil {
		t.Fatal(err)
	}
	return sums.(Reconciliation)
}

func TestReplicasCreateTheSchemaAtOnce(t *testing.T) {
	var group sync.WaitGroup
	for range 4 {
		client := open(t, "ledger")
		group.Go(func() {
			if err := client.createOnce(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if sums := reconciled(t, open(t, "ledger")); sums.ExpectedCents != 100_000_000_000 {
		t.Errorf("got %+v", sums)
	}
}

func TestEachPaymentIsBookedOnceAndTheSumsStayRight(t *testing.T) {
	client := open(t, "ledger")
	if err := client.createOnce(context.Background()); err != nil {
		t.Fatal(err)
	}
	before := reconciled(t, client)
	const payments, times = 200, 3
	root := seeded.NewKey(uint64(os.Getpid()), fmt.Sprintf("test %d", before.Transactions))
	var group sync.WaitGroup
	for range times {
		for ordinal := range uint64(payments) {
			group.Go(func() {
				if _, err := client.Run(request(payment.New(root.Child(ordinal))), "transfer"); err != nil {
					t.Error(err)
				}
			})
		}
	}
	group.Wait()
	for range times {
		if _, err := client.Run(request(payment.New(root)), "settle"); !errors.Is(err, errNotBooked) {
			t.Errorf("settling what is not booked gave %v", err)
		}
		if _, err := client.Run(request(payment.New(root.Child(0))), "settle"); err != nil {
			t.Error(err)
		}
	}
	after := reconciled(t, client)
	if booked, settled := after.Transactions-before.Transactions, after.Settled-before.Settled; booked != payments || settled != 1 {
		t.Errorf("%d payments were booked and %d settled", booked, settled)
	}
}

func TestReconcileFailsWhenABalanceIsWrong(t *testing.T) {
	client := open(t, "ledger")
	ctx := context.Background()
	if err := client.createOnce(ctx); err != nil {
		t.Fatal(err)
	}
	change := func(cents int) {
		if _, err := client.Pool.Exec(ctx, "UPDATE accounts SET balance_cents = balance_cents + $1 WHERE id = 1", cents); err != nil {
			t.Fatal(err)
		}
	}
	change(1)
	defer change(-1)
	if _, err := client.Run(ctx, "reconcile"); !errors.Is(err, errUnbalanced) {
		t.Errorf("got %v", err)
	}
}

func TestEveryOperationRunsWithoutAndWithSlowQueries(t *testing.T) {
	for schema, described := range schemas {
		for _, share := range []float64{0, 1} {
			client := open(t, schema, flags.Flag{Name: flags.SlowQueries, Value: share})
			if err := client.createOnce(context.Background()); err != nil {
				t.Fatal(err)
			}
			order := payment.New(seeded.NewKey(uint64(os.Getpid()), schema))
			if _, err := client.Run(request(order), "transfer"); err != nil && schema == "ledger" {
				t.Fatal(err)
			}
			for operation := range described.Operations {
				if _, err := client.Run(request(order), operation); err != nil {
					t.Errorf("%s: %v", schema, err)
				}
			}
		}
	}
}
