package ota

import (
	"math"
	"time"

	"firedrill.dev/simulator/internal/telemetry"
)

// plan is how firmware is rolled out.
type plan struct {
	version string
	// wave is the share of all devices that get the firmware together.
	wave float64
	// pause is the time between two waves, and before the first.
	pause time.Duration
	// patience is how long a wave may take; devices that say nothing until then have failed.
	patience time.Duration
	// threshold is the share of a wave above which failures halt the rollout.
	threshold float64
}

// Phases of a rollout.
const (
	pausing = "pausing" // between waves
	rolling = "rolling" // a wave is under way
	halted  = "halted"  // too many failures; for good
	done    = "done"    // no device is left
)

// state is where a rollout stands. It is a value: advance gives a new one and leaves the old one as it is.
type state struct {
	Phase string
	// Wave counts waves from 1; 0 before the first.
	Wave int
	// Since is when the phase began.
	Since time.Time
	// Members are the devices of the latest wave.
	Members []string
	// WaveFailures and Failures count failed devices of the latest wave and of all.
	WaveFailures, Failures int
	// tried are the devices of all waves, which are not ordered twice.
	tried map[string]bool
}

func begin(now time.Time) state { return state{Phase: pausing, Since: now} }

// advance gives the state after a look at all devices, in the order in which they get their turn, and the devices to be
// ordered now.
func advance(p plan, s state, devices []telemetry.FirmwareStatus, now time.Time) (next state, orders []string) {
	switch s.Phase {
	case rolling:
		return settle(p, s, devices, now), nil
	case pausing, done:
		if now.Sub(s.Since) < p.pause {
			return s, nil
		}
		return launch(p, s, devices, now)
	}
	return s, nil
}

// launch begins a wave, or ends the rollout if no device is left.
func launch(p plan, s state, devices []telemetry.FirmwareStatus, now time.Time) (state, []string) {
	size := int(math.Ceil(p.wave * float64(len(devices))))
	var members []string
	for _, device := range devices {
		if len(members) < size && device.Version != p.version && !s.tried[device.Device] {
			members = append(members, device.Device)
		}
	}
	if len(members) == 0 {
		if s.Phase != done && len(devices) > 0 {
			s.Phase, s.Since = done, now
		}
		return s, nil
	}
	tried := make(map[string]bool, len(s.tried)+len(members))
	for device := range s.tried {
		tried[device] = true
	}
	for _, device := range members {
		tried[device] = true
	}
	return state{rolling, s.Wave + 1, now, members, 0, s.Failures, tried}, members
}

// settle looks whether the wave is over, and whether it failed.
func settle(p plan, s state, devices []telemetry.FirmwareStatus, now time.Time) state {
	known := make(map[string]telemetry.FirmwareStatus, len(devices))
	for _, device := range devices {
		known[device.Device] = device
	}
	failures, open := 0, 0
	for _, name := range s.Members {
		device := known[name]
		switch {
		case device.Version == p.version:
		case device.Wanted == p.version && device.State == telemetry.Failed:
			failures++
		default:
			open++
		}
	}
	late := now.Sub(s.Since) >= p.patience
	if late {
		failures += open
	}
	next := s
	next.WaveFailures, next.Failures = failures, s.Failures-s.WaveFailures+failures
	switch {
	// What is sure to be too much need not wait for the rest of the wave.
	case float64(failures) > p.threshold*float64(len(s.Members)):
		next.Phase, next.Since = halted, now
	case open == 0 || late:
		next.Phase, next.Since = pausing, now
	}
	return next
}
