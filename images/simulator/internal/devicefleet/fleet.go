// Package devicefleet is the role device-fleet: devices that each keep a connection to the broker and send telemetry.
package devicefleet

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/broker"
	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/telemetry"
)

const (
	mostDevices     = 100_000
	defaultInterval = 10 * time.Second
	// connectsAtOnce bounds how many devices are in the handshake at the same time.
	connectsAtOnce  = 32
	defaultFirmware = "1.0.0"
)

func init() { role.Register("device-fleet", New) }

// fleet is what all devices share.
type fleet struct {
	rt       *role.Runtime
	broker   *broker.Client
	address  string
	interval time.Duration
	firmware string
	connects chan struct{}
	devices  []*device

	connections prometheus.Gauge
	online      prometheus.Gauge
	messages    *prometheus.CounterVec
	reconnects  prometheus.Counter
	versions    *prometheus.GaugeVec
}

// New sets the fleet up; its devices connect when it runs.
func New(_ context.Context, rt *role.Runtime) (role.Role, error) {
	f := &fleet{rt: rt, connects: make(chan struct{}, connectsAtOnce), firmware: rt.Option("firmware", defaultFirmware)}
	var err error
	if f.broker, f.address, err = rt.OnlyBroker(config.MQTT); err != nil {
		return nil, err
	}
	if f.interval, err = rt.Seconds("interval", defaultInterval); err != nil {
		return nil, err
	}
	count, err := rt.Number("devices", 100, 1)
	if err != nil {
		return nil, err
	}
	if count != math.Trunc(count) || count > mostDevices {
		return nil, &config.Error{Field: "options.devices", Reason: fmt.Sprintf("%g is not a whole number up to %d", count, mostDevices)}
	}
	zones := strings.Split(rt.Option("zones", "default"), ",")
	f.measure(rt.Metrics)
	for n := range int(count) {
		f.devices = append(f.devices, newDevice(f, n, zones[n%len(zones)]))
	}
	f.versions.WithLabelValues(f.firmware).Set(count)
	return f, nil
}

func (f *fleet) measure(registry prometheus.Registerer) {
	f.connections = metrics.Gauge(registry, "mqtt_connections", "Devices that are connected.").WithLabelValues()
	f.online = metrics.Gauge(registry, "devices_online", "Devices that are connected and send telemetry.").WithLabelValues()
	f.messages = metrics.Counter(registry, "device_messages_total", "Telemetry by what became of it; acknowledged is by the broker.", "outcome")
	f.reconnects = metrics.Counter(registry, "device_connection_failures_total", "Connections that failed or broke.").WithLabelValues()
	f.versions = metrics.Gauge(registry, "devices_firmware", "Devices that run a version of the firmware.", "version")
}

// Run keeps all devices going until ctx is done.
func (f *fleet) Run(ctx context.Context) error {
	var group sync.WaitGroup
	for _, one := range f.devices {
		group.Go(func() { one.run(ctx) })
	}
	group.Wait()
	return nil
}

// connect limits how many devices connect at the same time; it calls dial unless ctx is done before its turn.
func (f *fleet) connect(ctx context.Context, dial func() error) error {
	select {
	case f.connects <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-f.connects }()
	return dial()
}

func (f *fleet) sent(err error) {
	f.broker.Published(telemetry.Topic, err)
	if err != nil {
		f.messages.WithLabelValues("error").Inc()
		return
	}
	f.messages.WithLabelValues("sent").Inc()
}
