// Package hl7receiver is the role hl7-receiver: it takes HL7 v2 messages over MLLP, stores and acknowledges them.
package hl7receiver

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/database"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/hl7"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/scripted"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/trace"
)

const (
	defaultAddress = ":2575" // the port that IANA has for HL7
	storeTimeout   = 5 * time.Second
	idleTimeout    = 5 * time.Minute
	writeTimeout   = 10 * time.Second
	mostSenders    = 64
	auditKind      = "hipaa"
	unknownType    = "unknown"
)

func init() { role.Register("hl7-receiver", New) }

type receiver struct {
	rt       *role.Runtime
	database *database.Client
	address  string
	ordinal  atomic.Uint64
	messages *prometheus.CounterVec
	duration prometheus.Observer
	senders  prometheus.Gauge
}

// New sets the role up; the endpoints of the configuration are served beside it.
func New(_ context.Context, rt *role.Runtime) (role.Role, error) {
	r := &receiver{rt: rt, address: rt.Option("address", defaultAddress)}
	var err error
	if r.database, err = rt.OnlyDatabase("generic"); err != nil {
		return nil, err
	}
	r.database.Extend(createTable)
	r.messages = metrics.Counter(rt.Metrics, "hl7_messages_total", "Messages by type and by how they were acknowledged.", "type", "ack")
	r.duration = metrics.Histogram(rt.Metrics, "hl7_message_duration_seconds", "Time from a message to its acknowledgment.", metrics.Buckets).WithLabelValues()
	r.senders = metrics.Gauge(rt.Metrics, "hl7_connections", "Senders that are connected.").WithLabelValues()
	served, err := scripted.Mount(rt)
	if err != nil {
		return nil, err
	}
	return role.Func(func(ctx context.Context) error { return r.run(ctx, served) }), nil
}

func createTable(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `CREATE TABLE IF NOT EXISTS hl7_messages (
  control_id  text PRIMARY KEY,
  type        text NOT NULL,
  patient     text NOT NULL,
  body        text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
)`)
	if err != nil {
		return fmt.Errorf("hl7_messages: %w", err)
	}
	return nil
}

func (r *receiver) run(ctx context.Context, served role.Role) error {
	listener, err := net.Listen("tcp", r.address)
	if err != nil {
		return err
	}
	r.rt.Log.Info("listening for HL7", "address", listener.Addr().String())
	var group sync.WaitGroup
	group.Go(func() { err = r.accept(ctx, listener) })
	failed := served.Run(ctx)
	group.Wait()
	return errors.Join(failed, err)
}

func (r *receiver) accept(ctx context.Context, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() }) // Accept below tells whether it worked
	defer stop()
	free := make(chan struct{}, mostSenders)
	var group sync.WaitGroup
	defer group.Wait()
	for {
		connection, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		free <- struct{}{}
		group.Go(func() {
			defer func() { <-free }()
			r.serve(ctx, connection)
		})
	}
}

// serve answers the messages of one sender until it leaves or ctx is done.
func (r *receiver) serve(ctx context.Context, connection net.Conn) {
	r.senders.Inc()
	defer r.senders.Dec()
	defer connection.Close()
	stop := context.AfterFunc(ctx, func() { _ = connection.SetReadDeadline(time.Now()) }) // a closed connection waits for nothing
	defer stop()
	reader := bufio.NewReader(connection)
	for ctx.Err() == nil {
		if r.rt.Flags.On(flags.Unreachable) {
			return
		}
		if err := connection.SetReadDeadline(time.Now().Add(idleTimeout)); err != nil {
			return
		}
		text, err := hl7.ReadFrame(reader)
		if err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				r.rt.Log.Warn("a sender was dropped", "from", connection.RemoteAddr().String(), "error", err.Error())
			}
			return
		}
		answer := r.process(context.WithoutCancel(ctx), text)
		err = errors.Join(connection.SetWriteDeadline(time.Now().Add(writeTimeout)), hl7.WriteFrame(connection, answer))
		if err != nil {
			r.rt.Log.Warn("an acknowledgment could not be sent", "from", connection.RemoteAddr().String(), "error", err.Error())
			return
		}
	}
}

// process stores a message and gives its acknowledgment.
func (r *receiver) process(ctx context.Context, text []byte) []byte {
	started := time.Now()
	key := r.rt.Key.Child(r.ordinal.Add(1))
	ctx, span := r.rt.Tracer.Start(seeded.With(ctx, key), "hl7", trace.Server)
	kind, control, code := unknownType, "", hl7.Reject
	message, err := hl7.Parse(text)
	if err == nil {
		control = message.ControlID()
		if err = check(message); err == nil {
			kind, code = message.Type(), hl7.Accept
			if err = r.store(ctx, key, message, text); err != nil {
				code = hl7.Fail
			}
		}
	}
	span.End(err)
	reason := ""
	if err != nil {
		reason = err.Error()
		r.rt.Log.LogAttrs(ctx, slog.LevelError, "a message was not accepted", slog.String("trace_id", span.TraceHex()),
			slog.String("control_id", control), slog.String("ack", code), slog.String("error", reason))
	}
	r.messages.WithLabelValues(kind, code).Inc()
	r.duration.Observe(time.Since(started).Seconds())
	return hl7.Acknowledge(r.rt.Config.Name, code, control, reason, time.Now())
}

var errFlag = errors.New("internal error")

func (r *receiver) store(ctx context.Context, key seeded.Key, message *hl7.Message, text []byte) error {
	if delay := r.rt.Flags.Value(flags.Slow); delay > 0 {
		time.Sleep(time.Duration(delay * float64(time.Second)))
	}
	if key.Chance(r.rt.Flags.Value(flags.Failure)) {
		return errFlag
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	patient := message.Component("PID", 3, 1)
	err := r.database.Do(ctx, "store", func(ctx context.Context) error {
		// A message that comes again because its acknowledgment was lost is stored once.
		_, err := r.database.Pool.Exec(ctx,
			"INSERT INTO hl7_messages (control_id, type, patient, body) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
			message.ControlID(), message.Type(), patient, string(text))
		return err
	})
	if err != nil {
		return err
	}
	r.rt.Audit.WithLabelValues(auditKind).Inc()
	r.rt.Log.LogAttrs(ctx, slog.LevelInfo, "access", slog.String("audit", auditKind), slog.String("trace_id", trace.From(ctx).TraceHex()),
		slog.String("action", "create"), slog.String("resource", message.Type()), slog.String("patient", patient))
	return nil
}
