package heartbeat

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// State is what is known of one device.
type State struct {
	Device   string    `json:"device"`
	Zone     string    `json:"zone"`
	Online   bool      `json:"online"`
	LastSeen time.Time `json:"lastSeen"`
}

// tracker knows which devices are alive. It is safe for concurrent use.
type tracker struct {
	timeout time.Duration
	mutex   sync.Mutex
	devices map[string]*State
	online  int
}

func newTracker(timeout time.Duration) *tracker {
	return &tracker{timeout: timeout, devices: map[string]*State{}}
}

// seen notes a sign of life; it tells whether the device comes back from having been lost.
func (t *tracker) seen(device, zone string, now time.Time) (back bool) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	known := t.devices[device]
	if known == nil {
		known = &State{Device: device, Zone: zone}
		t.devices[device] = known
	} else {
		back = !known.Online
	}
	if !known.Online {
		t.online++
	}
	known.Online, known.Zone, known.LastSeen = true, zone, now
	return back
}

// sweep gives the devices that have become silent for longer than the timeout since the last sweep.
func (t *tracker) sweep(now time.Time) []State {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	var lost []State
	for _, known := range t.devices {
		if known.Online && now.Sub(known.LastSeen) > t.timeout {
			known.Online = false
			t.online--
			lost = append(lost, *known)
		}
	}
	return lost
}

// counts gives how many devices are online and known, and when the one that is silent the longest was seen.
func (t *tracker) counts() (online, known int, oldest time.Time) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	for _, state := range t.devices {
		if oldest.IsZero() || state.LastSeen.Before(oldest) {
			oldest = state.LastSeen
		}
	}
	return t.online, len(t.devices), oldest
}

// list gives the devices after a name, in order of their names, at most limit.
func (t *tracker) list(after string, limit int, onlyLost bool) []State {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	found := []State{}
	for _, name := range slices.Sorted(maps.Keys(t.devices)) {
		state := t.devices[name]
		if name <= after || (onlyLost && state.Online) {
			continue
		}
		if found = append(found, *state); len(found) == limit {
			break
		}
	}
	return found
}
