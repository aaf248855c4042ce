// Package ota is the role ota: it rolls firmware out to devices in waves, and halts if too many fail.
package ota

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/broker"
	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/mqtt"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/scripted"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/telemetry"
)

const (
	defaultPause     = 30 * time.Second
	defaultPatience  = 60 * time.Second
	defaultThreshold = 0.05
	stepEach         = time.Second
)

func init() { role.Register("ota", New) }

type rollout struct {
	rt      *role.Runtime
	broker  *broker.Client
	address string
	plan    plan

	mutex    sync.Mutex
	conn     *mqtt.Conn
	devices  map[string]telemetry.FirmwareStatus
	versions map[string]int
	state    state

	count    *prometheus.GaugeVec
	wave     prometheus.Gauge
	failures prometheus.Gauge
	halted   prometheus.Gauge
}

// New sets the role up; the endpoints of the configuration are served beside /rollout.
func New(_ context.Context, rt *role.Runtime) (role.Role, error) {
	o := &rollout{rt: rt, devices: map[string]telemetry.FirmwareStatus{}, versions: map[string]int{}, state: begin(time.Now())}
	var err error
	if o.broker, o.address, err = rt.OnlyBroker(config.MQTT); err != nil {
		return nil, err
	}
	if o.plan, err = readPlan(rt); err != nil {
		return nil, err
	}
	o.count = metrics.Gauge(rt.Metrics, "ota_devices", "Devices by the version that they say they run.", "version")
	o.wave = metrics.Gauge(rt.Metrics, "ota_wave", "The latest wave, from 1.").WithLabelValues()
	o.failures = metrics.Gauge(rt.Metrics, "ota_failed_devices", "Devices that did not install the firmware.").WithLabelValues()
	o.halted = metrics.Gauge(rt.Metrics, "ota_halted", "1 if the rollout was halted, else 0.").WithLabelValues()
	rt.HTTP.Handle("GET /rollout", http.HandlerFunc(o.show))
	served, err := scripted.Mount(rt)
	if err != nil {
		return nil, err
	}
	return role.Func(func(ctx context.Context) error { return o.run(ctx, served) }), nil
}

func readPlan(rt *role.Runtime) (plan, error) {
	p := plan{version: rt.Option("version", "")}
	if p.version == "" {
		return p, &config.Error{Field: "options.version", Reason: "is required"}
	}
	var failed [4]error
	p.wave, failed[0] = rt.Number("wave", 0.1, 0)
	p.threshold, failed[1] = rt.Number("threshold", defaultThreshold, 0)
	p.pause, failed[2] = rt.Seconds("pause", defaultPause)
	p.patience, failed[3] = rt.Seconds("patience", defaultPatience)
	for _, err := range failed {
		if err != nil {
			return p, err
		}
	}
	if p.wave > 1 || p.threshold > 1 {
		return p, &config.Error{Field: "options", Reason: "wave and threshold are shares between 0 and 1"}
	}
	return p, nil
}

func (o *rollout) run(ctx context.Context, served role.Role) error {
	var group sync.WaitGroup
	group.Go(func() {
		mqtt.Subscribe(ctx, mqtt.Options{
			Address: o.address, ClientID: fmt.Sprintf("%s-%08x", o.rt.Config.Name, rand.Uint32()),
			Filters: []string{telemetry.All(telemetry.FirmwareStatusTopic)},
			Up: func(conn *mqtt.Conn) {
				o.mutex.Lock()
				defer o.mutex.Unlock()
				o.conn = conn
			},
		}, o.rt.Log, o.take)
	})
	group.Go(func() { o.steps(ctx) })
	err := served.Run(ctx)
	group.Wait()
	return err
}

func (o *rollout) take(_ context.Context, message *mqtt.Received) error {
	var status telemetry.FirmwareStatus
	err := json.Unmarshal(message.Payload, &status)
	if err == nil && status.Device == "" {
		err = errors.New("a status of no device")
	}
	produced := message.Headers[broker.ProducedAt]
	if message.Retain {
		produced = "" // kept by the broker for any time
	}
	o.broker.Consumed(telemetry.FirmwareStatusTopic, o.rt.Config.Name, produced, err)
	if err == nil {
		o.note(status)
	}
	return message.Ack()
}

func (o *rollout) note(status telemetry.FirmwareStatus) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if last, known := o.devices[status.Device]; known {
		o.versions[last.Version]--
	}
	o.devices[status.Device] = status
	o.versions[status.Version]++
	for version, count := range o.versions {
		o.count.WithLabelValues(version).Set(float64(count))
	}
}

func (o *rollout) steps(ctx context.Context) {
	ticker := time.NewTicker(stepEach)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			o.step(now)
		}
	}
}

func (o *rollout) step(now time.Time) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if o.conn == nil {
		return
	}
	next, orders := advance(o.plan, o.state, o.inTurn(), now)
	for _, device := range orders {
		if err := o.order(device); err != nil { // it says nothing then, and counts as failed in the end
			o.rt.Log.Error("a device could not be told", "device", device, "error", err.Error())
		}
	}
	if next.Phase != o.state.Phase {
		o.rt.Log.Info("the rollout went on", "phase", next.Phase, "wave", next.Wave, "devices", len(next.Members), "failures", next.WaveFailures)
	}
	o.state = next
	o.wave.Set(float64(next.Wave))
	o.failures.Set(float64(next.Failures))
	if next.Phase == halted {
		o.halted.Set(1)
	}
}

// inTurn gives the devices in an order that the seed decides, so that waves go through all zones.
func (o *rollout) inTurn() []telemetry.FirmwareStatus {
	list := make([]telemetry.FirmwareStatus, 0, len(o.devices))
	for _, device := range o.devices {
		list = append(list, device)
	}
	slices.SortFunc(list, func(a, b telemetry.FirmwareStatus) int { return cmp.Compare(o.turn(a.Device), o.turn(b.Device)) })
	return list
}

func (o *rollout) turn(device string) seeded.Key {
	digest := fnv.New64a()
	_, _ = digest.Write([]byte(device)) // a hash never fails to write
	return o.rt.Key.Child(digest.Sum64())
}

func (o *rollout) order(device string) error {
	payload, err := json.Marshal(telemetry.Order{Version: o.plan.version})
	if err != nil {
		return err
	}
	_, err = o.conn.Publish(mqtt.Message{Topic: telemetry.FirmwareTopic + "/" + device, Payload: payload})
	o.broker.Published(telemetry.FirmwareTopic, err)
	return err
}

// report is the body of /rollout.
type report struct {
	Version  string         `json:"version"`
	Phase    string         `json:"phase"`
	Wave     int            `json:"wave"`
	Devices  int            `json:"devices"`
	Failures int            `json:"failures"`
	Versions map[string]int `json:"versions"`
}

func (o *rollout) show(w http.ResponseWriter, _ *http.Request) {
	o.mutex.Lock()
	versions := make(map[string]int, len(o.versions))
	for version, count := range o.versions {
		versions[version] = count
	}
	answer := report{o.plan.version, o.state.Phase, o.state.Wave, len(o.devices), o.state.Failures, versions}
	o.mutex.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the caller may have hung up
}
