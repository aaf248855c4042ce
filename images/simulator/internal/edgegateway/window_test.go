package edgegateway

import (
	"testing"

	"firedrill.dev/simulator/internal/broker"
	"firedrill.dev/simulator/internal/mqtt"
	"firedrill.dev/simulator/internal/telemetry"
)

func TestReadingsGatherByDeviceAndSecond(t *testing.T) {
	gathered := newWindows()
	for _, r := range []struct {
		device         string
		at             int64
		speed, battery float64
	}{{"a", 1000, 10, 80}, {"a", 1999, 20, 70}, {"a", 2000, 99, 60}, {"b", 1500, 5, 50}} {
		message := &mqtt.Received{Message: mqtt.Message{Headers: map[string]string{broker.ProducedAt: r.device}}}
		gathered.add(&telemetry.Reading{Device: r.device, Zone: "z", AtMillis: r.at, SpeedKmh: r.speed, BatteryPercent: r.battery}, message)
	}
	if len(gathered.open) != 3 || len(gathered.taken) != 4 {
		t.Fatalf("%d windows of %d messages, want 3 of 4", len(gathered.open), len(gathered.taken))
	}
	got := *gathered.open[slot{"a", 1}]
	want := aggregate{Device: "a", Zone: "z", Second: 1, Count: 2, MeanSpeedKmh: 15, MaxSpeedKmh: 20, MinBattery: 70}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
