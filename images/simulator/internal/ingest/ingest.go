// Package ingest is the role ingest: it writes the telemetry of devices to the database in batches.
package ingest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/broker"
	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/database"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/mqtt"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/scripted"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/telemetry"
	"firedrill.dev/simulator/internal/timeseries"
)

const (
	defaultBatch = 200
	largestBatch = 10_000
	// linger is how long the first message of a batch waits for more.
	linger         = 250 * time.Millisecond
	writeTimeout   = 10 * time.Second
	writeRetry     = time.Second
	partitionsEach = time.Hour
	retention      = 7 * 24 * time.Hour
)

func init() { role.Register("ingest", New) }

type ingest struct {
	rt       *role.Runtime
	broker   *broker.Client
	address  string
	database *database.Client
	group    string
	batch    int
	arrived  chan *mqtt.Received
	batches  uint64

	rows     prometheus.Counter
	sizes    prometheus.Observer
	duration prometheus.Observer
}

// New sets the role up; the endpoints of the configuration are served beside it.
func New(_ context.Context, rt *role.Runtime) (role.Role, error) {
	i := &ingest{rt: rt, group: rt.Config.Name}
	var err error
	if i.broker, i.address, err = rt.OnlyBroker(config.MQTT); err != nil {
		return nil, err
	}
	if i.database, err = rt.OnlyDatabase(timeseries.Model); err != nil {
		return nil, err
	}
	batch, err := rt.Number("batch", defaultBatch, 1)
	if err != nil {
		return nil, err
	}
	if batch > largestBatch {
		return nil, &config.Error{Field: "options.batch", Reason: fmt.Sprintf("%g is above %d", batch, largestBatch)}
	}
	i.batch = int(batch)
	i.arrived = make(chan *mqtt.Received, i.batch)
	i.rows = metrics.Counter(rt.Metrics, "telemetry_rows_written_total", "Readings written to the database.").WithLabelValues()
	i.duration = metrics.Histogram(rt.Metrics, "telemetry_batch_duration_seconds", "Time to write a batch.", metrics.Buckets).WithLabelValues()
	i.sizes = metrics.Histogram(rt.Metrics, "telemetry_batch_rows", "Readings in a batch.", []float64{1, 10, 50, 100, 200, 500, 1000, 5000}).WithLabelValues()
	served, err := scripted.Mount(rt)
	if err != nil {
		return nil, err
	}
	return role.Func(func(ctx context.Context) error { return i.run(ctx, served) }), nil
}

func (i *ingest) run(ctx context.Context, served role.Role) error {
	var group sync.WaitGroup
	group.Go(func() { i.keepPartitions(ctx) })
	group.Go(func() {
		options := mqtt.Options{
			Address: i.address, ClientID: fmt.Sprintf("%s-%08x", i.rt.Config.Name, rand.Uint32()),
			Filters:        []string{telemetry.Shared(i.group, telemetry.All(telemetry.Topic))},
			ReceiveMaximum: uint16(min(4*i.batch, 65_535)),
		}
		mqtt.Subscribe(ctx, options, i.rt.Log, func(ctx context.Context, message *mqtt.Received) error {
			select {
			case i.arrived <- message:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	})
	group.Go(func() { i.write(ctx) })
	err := served.Run(ctx)
	group.Wait()
	return err
}

// write writes one batch after the other until ctx is done.
func (i *ingest) write(ctx context.Context) {
	for {
		batch := i.collect(ctx)
		if len(batch) == 0 {
			return
		}
		// Only what the database has is acknowledged: after a crash the broker gives the rest to another member.
		if !i.store(ctx, batch) {
			return
		}
		for _, message := range batch {
			if err := message.Ack(); err != nil {
				i.rt.Log.Warn("messages were not acknowledged and will come again", "error", err.Error())
				break
			}
		}
	}
}

// collect waits for a message and takes what else arrives shortly after; it is empty if ctx is done before.
func (i *ingest) collect(ctx context.Context) []*mqtt.Received {
	var batch []*mqtt.Received
	select {
	case <-ctx.Done():
		return nil
	case first := <-i.arrived:
		batch = append(batch, first)
	}
	full := time.NewTimer(linger)
	defer full.Stop()
	for len(batch) < i.batch {
		select {
		case <-ctx.Done():
			return batch
		case <-full.C:
			return batch
		case next := <-i.arrived:
			batch = append(batch, next)
		}
	}
	return batch
}

// store writes a batch, again and again until it succeeds; false if ctx is done before.
func (i *ingest) store(ctx context.Context, batch []*mqtt.Received) bool {
	delay := i.rt.Flags.Value(flags.QueueProblems) * float64(len(batch))
	select {
	case <-time.After(time.Duration(delay * float64(time.Second))):
	case <-ctx.Done():
		return false
	}
	readings, good := i.parse(ctx, batch)
	i.batches++
	begun := seeded.With(context.WithoutCancel(ctx), i.rt.Key.Child(i.batches))
	for {
		started := time.Now()
		limited, cancel := context.WithTimeout(begun, writeTimeout)
		err := i.database.Do(limited, "copy", func(ctx context.Context) error { return timeseries.Copy(ctx, i.database.Pool, readings) })
		cancel()
		for _, message := range good {
			i.broker.Consumed(telemetry.Topic, i.group, message.Headers[broker.ProducedAt], err)
		}
		if err == nil {
			i.rows.Add(float64(len(readings)))
			i.sizes.Observe(float64(len(readings)))
			i.duration.Observe(time.Since(started).Seconds())
			return true
		}
		i.rt.Log.Error("a batch could not be written and is tried again", "rows", len(readings), "error", err.Error())
		select {
		case <-ctx.Done():
			return false
		case <-time.After(writeRetry):
		}
	}
}

// parse gives the readings of a batch and their messages; those that are none become dead letters.
func (i *ingest) parse(ctx context.Context, batch []*mqtt.Received) ([]telemetry.Reading, []*mqtt.Received) {
	readings, good := make([]telemetry.Reading, 0, len(batch)), batch[:0:0]
	for _, message := range batch {
		reading, err := telemetry.Parse(message.Payload)
		if err != nil {
			i.bury(ctx, message, err)
			continue
		}
		readings, good = append(readings, reading), append(good, message)
	}
	return readings, good
}

func (i *ingest) bury(ctx context.Context, message *mqtt.Received, cause error) {
	i.broker.Consumed(telemetry.Topic, i.group, "", cause)
	headers := map[string]string{broker.FailureReason: cause.Error()}
	limited, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	letter := broker.Message{Topic: telemetry.Topic + broker.DeadLetterSuffix, Value: message.Payload, Headers: headers}
	if err := i.broker.Publish(limited, letter); err != nil {
		i.rt.Log.Error("a dead letter could not be published and is lost", "topic", message.Topic, "error", err.Error())
		return
	}
	i.broker.Buried(telemetry.Topic, i.group)
	i.rt.Log.Error("a message became a dead letter", "topic", message.Topic, "group", i.group, "error", cause.Error())
}

// keepPartitions makes the next day's partition in time and drops old days.
func (i *ingest) keepPartitions(ctx context.Context) {
	ticker := time.NewTicker(partitionsEach)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			err := timeseries.CreatePartitions(ctx, i.database.Pool, now)
			if err == nil {
				_, err = timeseries.DropPartitions(ctx, i.database.Pool, now.Add(-retention))
			}
			if err != nil && ctx.Err() == nil {
				i.rt.Log.Error("partitions could not be kept; the next try is in an hour", "error", err.Error())
			}
		}
	}
}
