package devicefleet

import (
	"math"

	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/telemetry"
)

const (
	fastestKmh = 130
	ambientC   = 15
)

// sensors are what a device measures: each value moves a little from message to message.
type sensors struct{ speed, battery, temperature float64 }

func newSensors(key seeded.Key) sensors {
	random := key.Rand()
	return sensors{random.Float64() * 80, 40 + random.Float64()*60, ambientC + random.NormFloat64()*5}
}

// read measures once more, with the draws of the message's key.
func (s *sensors) read(key seeded.Key) telemetry.Reading {
	random := key.Rand()
	s.speed = min(max(s.speed+random.NormFloat64()*8, 0), fastestKmh)
	s.battery -= 0.02 + s.speed/20_000
	if s.battery < 10 {
		s.battery = 100 // charged
	}
	s.temperature += (ambientC-s.temperature)*0.05 + random.NormFloat64()*0.4
	return telemetry.Reading{SpeedKmh: round(s.speed), BatteryPercent: round(s.battery), TemperatureC: round(s.temperature)}
}

func round(value float64) float64 { return math.Round(value*100) / 100 }
