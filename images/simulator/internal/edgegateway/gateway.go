// Package edgegateway is the role edge-gateway: it aggregates the telemetry of a zone and publishes the aggregates.
package edgegateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/broker"
	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/mqtt"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/scripted"
	"firedrill.dev/simulator/internal/telemetry"
)

const flushEach = time.Second

func init() { role.Register("edge-gateway", New) }

type gateway struct {
	rt      *role.Runtime
	broker  *broker.Client
	address string
	zone    string
	readers prometheus.Counter
	devices prometheus.Gauge

	mutex   sync.Mutex
	conn    *mqtt.Conn
	windows *windows
}

// New sets the role up; the endpoints of the configuration are served beside it.
func New(_ context.Context, rt *role.Runtime) (role.Role, error) {
	g := &gateway{rt: rt, windows: newWindows(), zone: rt.Option("zone", "")}
	if g.zone == "" {
		return nil, &config.Error{Field: "options.zone", Reason: "is required"}
	}
	var err error
	if g.broker, g.address, err = rt.OnlyBroker(config.MQTT); err != nil {
		return nil, err
	}
	g.readers = metrics.Counter(rt.Metrics, "gateway_readings_total", "Readings that went into aggregates.").WithLabelValues()
	g.devices = metrics.Gauge(rt.Metrics, "gateway_aggregates", "Aggregates published in the last second.").WithLabelValues()
	served, err := scripted.Mount(rt)
	if err != nil {
		return nil, err
	}
	return role.Func(func(ctx context.Context) error { return g.run(ctx, served) }), nil
}

func (g *gateway) run(ctx context.Context, served role.Role) error {
	var group sync.WaitGroup
	group.Go(func() {
		mqtt.Subscribe(ctx, mqtt.Options{
			Address: g.address, ClientID: fmt.Sprintf("%s-%08x", g.rt.Config.Name, rand.Uint32()),
			Filters: []string{telemetry.Shared(g.rt.Config.Name, telemetry.All(telemetry.Topic+"/"+g.zone))},
			Up:      g.connected,
		}, g.rt.Log, g.take)
	})
	group.Go(func() { g.flushEach(ctx) })
	err := served.Run(ctx)
	group.Wait()
	return err
}

// connected begins anew: what is not acknowledged over the last connection comes again over this one.
func (g *gateway) connected(conn *mqtt.Conn) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.conn, g.windows = conn, newWindows()
}

func (g *gateway) take(ctx context.Context, message *mqtt.Received) error {
	if delay := g.rt.Flags.Value(flags.QueueProblems); delay > 0 {
		select {
		case <-time.After(time.Duration(delay * float64(time.Second))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	reading, err := telemetry.Parse(message.Payload)
	g.broker.Consumed(telemetry.Topic, g.rt.Config.Name, message.Headers[broker.ProducedAt], err)
	if err != nil {
		return message.Ack() // whoever stores telemetry keeps it as a dead letter; here it can only be left out
	}
	g.readers.Inc()
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.windows.add(&reading, message)
	return nil
}

func (g *gateway) flushEach(ctx context.Context) {
	ticker := time.NewTicker(flushEach)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := g.flush(); err != nil && ctx.Err() == nil {
				g.rt.Log.Warn("aggregates were not published; their readings come again", "error", err.Error())
			}
		}
	}
}

// flush publishes the open windows and acknowledges what went into them.
func (g *gateway) flush() error {
	g.mutex.Lock()
	full, conn := g.windows, g.conn
	g.windows = newWindows()
	g.mutex.Unlock()
	g.devices.Set(float64(len(full.open)))
	if len(full.open) == 0 {
		return nil
	}
	for key, window := range full.open {
		payload, err := json.Marshal(window)
		if err != nil {
			return err
		}
		message := mqtt.Message{Topic: telemetry.Of(telemetry.AggregatesTopic, g.zone, key.device), Payload: payload}
		if produced := full.oldest[key]; produced != "" {
			message.Headers = map[string]string{broker.ProducedAt: produced}
		}
		_, err = conn.Publish(message)
		g.broker.Published(telemetry.AggregatesTopic, err)
		if err != nil {
			conn.Drop() // so that what is not acknowledged comes again
			return err
		}
	}
	var failed error
	for _, message := range full.taken {
		failed = errors.Join(failed, message.Ack())
	}
	return failed
}
