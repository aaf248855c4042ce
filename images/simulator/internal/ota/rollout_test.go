package ota

import (
	"fmt"
	"testing"
	"time"

	"firedrill.dev/simulator/internal/telemetry"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

var ordinary = plan{version: "2", wave: 0.25, pause: 10 * time.Second, patience: time.Minute, threshold: 0.1}

func fleet(count int) []telemetry.FirmwareStatus {
	devices := make([]telemetry.FirmwareStatus, count)
	for n := range devices {
		devices[n] = telemetry.FirmwareStatus{Device: fmt.Sprintf("d%02d", n), Version: "1", State: telemetry.Installed}
	}
	return devices
}

// answer lets the first devices of a wave install and the next ones fail; the rest says nothing.
func answer(devices []telemetry.FirmwareStatus, members []string, installed, failed int) {
	for n, name := range members {
		for at := range devices {
			switch {
			case devices[at].Device != name:
			case n < installed:
				devices[at] = telemetry.FirmwareStatus{Device: name, Version: "2", Wanted: "2", State: telemetry.Installed}
			case n < installed+failed:
				devices[at] = telemetry.FirmwareStatus{Device: name, Version: "1", Wanted: "2", State: telemetry.Failed}
			}
		}
	}
}

func TestTheFirstWaveWaitsForThePause(t *testing.T) {
	devices := fleet(20)
	s, orders := advance(ordinary, begin(start), devices, start.Add(9*time.Second))
	if len(orders) != 0 || s.Phase != pausing {
		t.Fatalf("before the pause is over: phase %s, %d orders", s.Phase, len(orders))
	}
	s, orders = advance(ordinary, s, devices, start.Add(10*time.Second))
	if s.Phase != rolling || s.Wave != 1 || len(orders) != 5 || orders[0] != "d00" {
		t.Fatalf("after the pause: phase %s, wave %d, orders %v", s.Phase, s.Wave, orders)
	}
}

func TestAWaveEndsByWhatItsDevicesSay(t *testing.T) {
	for name, c := range map[string]struct {
		devices, installed, failed int
		after                      time.Duration
		phase                      string
		failures                   int
	}{
		"all installed":                      {20, 5, 0, time.Second, pausing, 0},
		"some still install":                 {20, 3, 0, time.Second, rolling, 0},
		"one of five failed, above a tenth":  {20, 4, 1, time.Second, halted, 1},
		"a failure halts before the rest":    {20, 0, 1, time.Second, halted, 1},
		"one of ten failed, not above it":    {40, 9, 1, time.Second, pausing, 1},
		"silence is failure when time is up": {20, 3, 0, time.Minute, halted, 2},
		"silence within the threshold":       {40, 9, 0, time.Minute, pausing, 1},
	} {
		t.Run(name, func(t *testing.T) {
			devices := fleet(c.devices)
			begun := start.Add(ordinary.pause)
			s, orders := advance(ordinary, begin(start), devices, begun)
			answer(devices, orders, c.installed, c.failed)
			s, more := advance(ordinary, s, devices, begun.Add(c.after))
			if s.Phase != c.phase || s.Failures != c.failures || len(more) != 0 {
				t.Errorf("phase %s, %d failures, %d orders; want %s, %d, 0", s.Phase, s.Failures, len(more), c.phase, c.failures)
			}
		})
	}
}

func TestARolloutReachesAllAndThenThoseThatComeLate(t *testing.T) {
	devices, s, now := fleet(10), begin(start), start
	ordered := map[string]int{}
	for range 200 {
		now = now.Add(time.Second)
		var orders []string
		s, orders = advance(ordinary, s, devices, now)
		for _, name := range orders {
			ordered[name]++
		}
		answer(devices, orders, len(orders), 0)
	}
	if s.Phase != done || s.Wave != 4 || len(ordered) != 10 {
		t.Fatalf("phase %s after %d waves, %d devices ordered", s.Phase, s.Wave, len(ordered))
	}
	devices = append(devices, telemetry.FirmwareStatus{Device: "late", Version: "1"})
	s, orders := advance(ordinary, s, devices, now.Add(time.Second))
	if s.Phase != rolling || len(orders) != 1 || orders[0] != "late" {
		t.Errorf("a late device: phase %s, orders %v", s.Phase, orders)
	}
}

func TestAHaltedRolloutOrdersNobody(t *testing.T) {
	s, orders := advance(ordinary, state{Phase: halted, Since: start}, fleet(10), start.Add(time.Hour))
	if s.Phase != halted || len(orders) != 0 {
		t.Errorf("phase %s, orders %v", s.Phase, orders)
	}
}

func TestADeviceIsNotOrderedTwice(t *testing.T) {
	devices, lenient := fleet(4), ordinary
	lenient.threshold, lenient.wave = 1, 1
	s, orders := advance(lenient, begin(start), devices, start.Add(10*time.Second))
	answer(devices, orders, 0, 4)
	s, _ = advance(lenient, s, devices, start.Add(11*time.Second))
	s, orders = advance(lenient, s, devices, start.Add(time.Hour))
	if s.Phase != done || len(orders) != 0 || s.Failures != 4 {
		t.Errorf("phase %s, orders %v, %d failures", s.Phase, orders, s.Failures)
	}
}
