package heartbeat

import (
	"testing"
	"time"
)

func TestADeviceIsLostAfterTheTimeoutAndComesBack(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	tracked := newTracker(10 * time.Second)
	tracked.seen("a", "north", at(0))
	tracked.seen("b", "north", at(5))
	for _, step := range []struct {
		at, lost, online int
	}{{10, 0, 2}, {11, 1, 1}, {12, 0, 1}, {16, 1, 0}} {
		if lost := tracked.sweep(at(step.at)); len(lost) != step.lost {
			t.Errorf("at %d s: %d devices lost, want %d", step.at, len(lost), step.lost)
		}
		if online, known, _ := tracked.counts(); online != step.online || known != 2 {
			t.Errorf("at %d s: %d of %d online, want %d of 2", step.at, online, known, step.online)
		}
	}
	if back := tracked.seen("a", "north", at(20)); !back {
		t.Error("a lost device that speaks does not count as back")
	}
	if back := tracked.seen("a", "north", at(21)); back {
		t.Error("a device that was not lost counts as back")
	}
	if _, _, oldest := tracked.counts(); !oldest.Equal(at(5)) {
		t.Errorf("the longest silence began at %s, want %s", oldest, at(5))
	}
}

func TestDevicesAreListedInPages(t *testing.T) {
	tracked := newTracker(time.Second)
	now := time.Now()
	for _, name := range []string{"c", "a", "b"} {
		tracked.seen(name, "north", now)
	}
	tracked.sweep(now.Add(time.Minute))
	tracked.seen("b", "north", now.Add(time.Minute))
	for _, c := range []struct {
		after    string
		limit    int
		onlyLost bool
		want     string
	}{{"", 2, false, "ab"}, {"b", 2, false, "c"}, {"", 9, true, "ac"}, {"c", 2, false, ""}} {
		got := ""
		for _, state := range tracked.list(c.after, c.limit, c.onlyLost) {
			got += state.Device
		}
		if got != c.want {
			t.Errorf("after %q, %d, lost only %t: %q, want %q", c.after, c.limit, c.onlyLost, got, c.want)
		}
	}
}
