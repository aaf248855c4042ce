// Package telemetry is what devices and the services behind them say to each other: topics and messages.
package telemetry

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// First parts of topics. Telemetry is published to telemetry/ZONE/DEVICE, aggregates to aggregates/ZONE/DEVICE, the
// state of firmware to firmware-status/ZONE/DEVICE (retained), and orders to a device to firmware/DEVICE.
const (
	Topic               = "telemetry"
	AggregatesTopic     = "aggregates"
	FirmwareTopic       = "firmware"
	FirmwareStatusTopic = "firmware-status"
	// LostTopic is where the broker publishes the last wills of devices: device-lost/ZONE/DEVICE.
	LostTopic = "device-lost"
)

// Of is the topic of one device in a zone.
func Of(topic, zone, device string) string { return topic + "/" + zone + "/" + device }

// All is the filter of a topic of all zones.
func All(topic string) string { return topic + "/#" }

// Shared is a filter whose messages are shared out among all subscribers of a group.
func Shared(group, filter string) string { return "$share/" + group + "/" + filter }

// Reading is one message of a device.
type Reading struct {
	Device string `json:"device"`
	Zone   string `json:"zone"`
	// AtMillis is when it was measured, in milliseconds since 1970.
	AtMillis int64 `json:"at"`
	// Sequence counts the device's messages since it was switched on.
	Sequence       int64   `json:"sequence"`
	Firmware       string  `json:"firmware"`
	SpeedKmh       float64 `json:"speed_kmh"`
	BatteryPercent float64 `json:"battery_percent"`
	TemperatureC   float64 `json:"temperature_c"`
}

// At is when it was measured.
func (r *Reading) At() time.Time { return time.UnixMilli(r.AtMillis) }

// Parse reads a reading and tells what is wrong with it.
func Parse(payload []byte) (Reading, error) {
	var reading Reading
	if err := json.Unmarshal(payload, &reading); err != nil {
		return Reading{}, fmt.Errorf("not a reading: %w", err)
	}
	if reading.Device == "" || reading.Zone == "" || reading.AtMillis <= 0 || strings.ContainsAny(reading.Device+reading.Zone, "/+#") {
		return Reading{}, errors.New("not a reading: device, zone and at are required")
	}
	return reading, nil
}

// Order tells a device which firmware to have.
type Order struct {
	Version string `json:"version"`
}

// States of firmware.
const (
	Installed = "installed"
	Failed    = "failed"
)

// FirmwareStatus is what a device says of its firmware.
type FirmwareStatus struct {
	Device string `json:"device"`
	Zone   string `json:"zone"`
	// Version is what the device runs.
	Version string `json:"version"`
	// Wanted is what it was ordered to run last, if it was.
	Wanted string `json:"wanted,omitempty"`
	State  string `json:"state"`
}
