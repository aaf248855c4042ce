package edgegateway

import (
	"firedrill.dev/simulator/internal/broker"
	"firedrill.dev/simulator/internal/mqtt"
	"firedrill.dev/simulator/internal/telemetry"
)

// aggregate is what is passed on for one device and one second.
type aggregate struct {
	Device string `json:"device"`
	Zone   string `json:"zone"`
	// Second is since 1970, by the clock of the device.
	Second          int64   `json:"second"`
	Count           int     `json:"count"`
	MeanSpeedKmh    float64 `json:"mean_speed_kmh"`
	MaxSpeedKmh     float64 `json:"max_speed_kmh"`
	MinBattery      float64 `json:"min_battery_percent"`
	MeanTemperature float64 `json:"mean_temperature_c"`
}

type slot struct {
	device string
	second int64
}

// windows gather readings by device and second.
type windows struct {
	open map[slot]*aggregate
	// oldest are the times at which the first messages of windows were published.
	oldest map[slot]string
	// taken are the messages in the open windows, in the order of their arrival.
	taken []*mqtt.Received
}

func newWindows() *windows { return &windows{open: map[slot]*aggregate{}, oldest: map[slot]string{}} }

func (w *windows) add(reading *telemetry.Reading, message *mqtt.Received) {
	key := slot{reading.Device, reading.AtMillis / 1000}
	window := w.open[key]
	if window == nil {
		window = &aggregate{Device: reading.Device, Zone: reading.Zone, Second: key.second, MinBattery: reading.BatteryPercent}
		w.open[key] = window
		w.oldest[key] = message.Headers[broker.ProducedAt]
	}
	window.Count++
	share := 1 / float64(window.Count)
	window.MeanSpeedKmh += (reading.SpeedKmh - window.MeanSpeedKmh) * share
	window.MeanTemperature += (reading.TemperatureC - window.MeanTemperature) * share
	window.MaxSpeedKmh = max(window.MaxSpeedKmh, reading.SpeedKmh)
	window.MinBattery = min(window.MinBattery, reading.BatteryPercent)
	w.taken = append(w.taken, message)
}
