package devicefleet

import (
	"encoding/json"
	"hash/fnv"
	"time"

	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/mqtt"
	"firedrill.dev/simulator/internal/telemetry"
)

const (
	shortestInstall = time.Second
	longestInstall  = 5 * time.Second
)

// install is a firmware that the device is installing.
type install struct {
	version string
	done    time.Time
}

// order takes an order of firmware; one that cannot be read, and one that is fulfilled, change nothing.
func (d *device) order(payload []byte) {
	var order telemetry.Order
	if err := json.Unmarshal(payload, &order); err != nil || order.Version == "" {
		d.fleet.rt.Log.Warn("an order of firmware could not be read", "device", d.id)
		return
	}
	if order.Version == d.firmware {
		return
	}
	draw := d.key.Child(installStream).Child(hash(order.Version)).Uniform()
	takes := shortestInstall + time.Duration(draw*float64(longestInstall-shortestInstall))
	d.install = &install{order.Version, time.Now().Add(takes)}
}

// finishInstall runs the new firmware, or the old one if the installation failed, which the flag failure makes happen to
// a share of devices: per version always the same ones.
func (d *device) finishInstall(conn *mqtt.Conn) error {
	wanted := d.install.version
	d.install = nil
	if d.key.Child(installStream + 1<<20).Child(hash(wanted)).Chance(d.fleet.rt.Flags.Value(flags.Failure)) {
		return d.report(conn, wanted, telemetry.Failed)
	}
	d.fleet.versions.WithLabelValues(d.firmware).Dec()
	d.fleet.versions.WithLabelValues(wanted).Inc()
	d.firmware = wanted
	return d.report(conn, wanted, telemetry.Installed)
}

// report says what the device runs; the broker keeps the last report for those who ask later.
func (d *device) report(conn *mqtt.Conn, wanted, state string) error {
	payload, err := json.Marshal(telemetry.FirmwareStatus{Device: d.id, Zone: d.zone, Version: d.firmware, Wanted: wanted, State: state})
	if err != nil {
		return err
	}
	topic := telemetry.Of(telemetry.FirmwareStatusTopic, d.zone, d.id)
	_, err = conn.Publish(mqtt.Message{Topic: topic, Payload: payload, Headers: headers(time.Now()), Retain: true})
	d.fleet.broker.Published(telemetry.FirmwareStatusTopic, err)
	return err
}

func hash(text string) uint64 {
	digest := fnv.New64a()
	_, _ = digest.Write([]byte(text)) // a hash never fails to write
	return digest.Sum64()
}
