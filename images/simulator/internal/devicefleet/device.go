package devicefleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"firedrill.dev/simulator/internal/broker"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/mqtt"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/telemetry"
	"firedrill.dev/simulator/internal/trace"
)

// Streams of a device's random draws; its messages count from 0.
const (
	silenceStream = 1<<32 + iota
	dropStream
	phaseStream
	placeStream
	installStream
	backoffStream
)

const (
	keepAlive    = 60 * time.Second
	backoffFirst = time.Second
	backoffLast  = 30 * time.Second
	// dropShare is the share of silent devices that lose their connection; the others keep it.
	dropShare = 0.5
)

// device is one of the fleet. All of it runs in one goroutine, which sleeps in a read until the next thing is due.
type device struct {
	fleet    *fleet
	key      seeded.Key
	id       string
	zone     string
	sensors  sensors
	firmware string
	install  *install
	sequence int64
	due      time.Time
	silent   bool
	// pending is the id of the telemetry sent last.
	pending uint16
}

func newDevice(f *fleet, n int, zone string) *device {
	key := f.rt.Key.Child(uint64(n))
	id := fmt.Sprintf("%s-%05d", f.rt.Config.Name, n)
	return &device{fleet: f, key: key, id: id, zone: zone, firmware: f.firmware, sensors: newSensors(key.Child(placeStream))}
}

func (d *device) run(ctx context.Context) {
	// The first messages are spread over an interval, as devices are not switched on together.
	d.due = time.Now().Add(time.Duration(d.key.Child(phaseStream).Uniform() * float64(d.fleet.interval)))
	wait := backoffFirst
	for attempt := uint64(0); ctx.Err() == nil; attempt++ {
		began := time.Now()
		err := d.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil { // it went silent by dropping its connection
			d.awaitVoice(ctx)
			continue
		}
		d.fleet.reconnects.Inc()
		if time.Since(began) > backoffLast {
			wait = backoffFirst
		}
		// Without a random part all devices would come back at the same moment.
		random := 0.5 + d.key.Child(backoffStream).Child(attempt).Uniform()
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(random * float64(wait))):
		}
		wait = min(2*wait, backoffLast)
	}
}

// session is the life of one connection; nil means that the device dropped it on purpose.
func (d *device) session(ctx context.Context) error {
	if d.silences() && d.drops() {
		return nil
	}
	var conn *mqtt.Conn
	err := d.fleet.connect(ctx, func() (err error) {
		conn, err = mqtt.Dial(ctx, mqtt.Options{
			Address: d.fleet.address, ClientID: d.id, KeepAlive: keepAlive,
			Filters: []string{telemetry.FirmwareTopic + "/" + d.id},
			Will:    &mqtt.Message{Topic: telemetry.Of(telemetry.LostTopic, d.zone, d.id), Payload: fmt.Appendf(nil, `{"device":%q,"zone":%q}`, d.id, d.zone)},
		})
		return err
	})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, conn.Interrupt)
	defer stop()
	defer conn.Drop()
	d.fleet.connections.Inc()
	defer d.fleet.connections.Dec()
	d.silent, d.pending = false, 0
	d.fleet.online.Inc()
	defer func() {
		if !d.silent {
			d.fleet.online.Dec()
		}
	}()
	if err := d.report(conn, "", telemetry.Installed); err != nil {
		return err
	}
	return d.converse(ctx, conn)
}

func (d *device) converse(ctx context.Context, conn *mqtt.Conn) error {
	for {
		packet, err := conn.Next(d.nextAct())
		switch {
		case ctx.Err() != nil:
			return conn.Close()
		case err != nil && !errors.Is(err, mqtt.ErrIdle):
			return err
		case err == nil:
			if err := d.receive(conn, packet); err != nil {
				return err
			}
		}
		now := time.Now()
		if d.install != nil && !now.Before(d.install.done) {
			if err := d.finishInstall(conn); err != nil {
				return err
			}
		}
		if now.Before(d.due) {
			continue
		}
		if d.setSilent(d.silences()); d.silent && d.drops() {
			return nil
		}
		if err := d.act(conn, now); err != nil {
			return err
		}
	}
}

// act sends telemetry, or only a sign of life if the device is silent.
func (d *device) act(conn *mqtt.Conn, now time.Time) error {
	jitter := d.key.Child(uint64(d.sequence)).Uniform()
	d.due = now.Add(time.Duration((0.8 + 0.2*jitter) * float64(d.fleet.interval)))
	if d.silent {
		return conn.Ping()
	}
	reading := d.sensors.read(d.key.Child(uint64(d.sequence)))
	reading.Device, reading.Zone, reading.AtMillis = d.id, d.zone, now.UnixMilli()
	reading.Sequence, reading.Firmware = d.sequence, d.firmware
	payload, err := json.Marshal(&reading)
	if err != nil {
		return err
	}
	if d.key.Child(uint64(d.sequence)).Child(1).Chance(d.fleet.rt.Flags.Value(flags.PoisonMessage)) {
		payload = payload[:len(payload)/2]
	}
	d.sequence++
	d.pending, err = conn.Publish(mqtt.Message{Topic: telemetry.Of(telemetry.Topic, d.zone, d.id), Payload: payload, Headers: headers(now)})
	d.fleet.sent(err)
	return err
}

func headers(now time.Time) map[string]string {
	return map[string]string{trace.Header: trace.NewContext().String(), broker.ProducedAt: strconv.FormatInt(now.UnixMilli(), 10)}
}

func (d *device) receive(conn *mqtt.Conn, packet packets.Packet) error {
	switch received := packet.(type) {
	case *packets.Puback:
		if received.PacketID == d.pending {
			d.fleet.messages.WithLabelValues("acknowledged").Inc()
		}
	case *packets.Publish:
		d.order(received.Payload)
		if received.QoS > 0 {
			return conn.Ack(received.PacketID)
		}
	}
	return nil
}

func (d *device) nextAct() time.Time {
	if d.install != nil && d.install.done.Before(d.due) {
		return d.install.done
	}
	return d.due
}

// silences tells whether the device is among the share that the flag heartbeatLoss silences: always the same ones.
func (d *device) silences() bool {
	return d.key.Child(silenceStream).Chance(d.fleet.rt.Flags.Value(flags.HeartbeatLoss))
}

func (d *device) drops() bool { return d.key.Child(dropStream).Chance(dropShare) }

func (d *device) setSilent(silent bool) {
	switch {
	case silent && !d.silent:
		d.fleet.online.Dec()
	case !silent && d.silent:
		d.fleet.online.Inc()
	}
	d.silent = silent
}

// awaitVoice waits until the device is no longer silenced or ctx is done.
func (d *device) awaitVoice(ctx context.Context) {
	for {
		_, changed := d.fleet.rt.Flags.Watch(flags.HeartbeatLoss)
		if !d.silences() {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
