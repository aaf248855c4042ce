package siem

import (
	"maps"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(seconds int, services map[string]counts) reading {
	return reading{start.Add(time.Duration(seconds) * time.Second), services}
}

func TestWhatTwoReadingsSay(t *testing.T) {
	for name, c := range map[string]struct {
		last, next reading
		events     counts
		perSecond  float64
		alerts     map[string]float64
	}{
		"the first reading says nothing": {reading{}, at(0, map[string]counts{"a": {"pci": 900}}), counts{}, 0, nil},
		"few events": {
			at(0, map[string]counts{"a": {"pci": 10}, "b": {}}), at(10, map[string]counts{"a": {"pci": 30}, "b": {"pci": 10}}),
			counts{"pci": 30}, 3, nil,
		},
		"too many events": {
			at(0, map[string]counts{"a": {"pci": 0}}), at(10, map[string]counts{"a": {"pci": 101}}),
			counts{"pci": 101}, 10.1, map[string]float64{ruleRate: 1},
		},
		"alerts of a service": {
			at(0, map[string]counts{"a": {}}), at(10, map[string]counts{"a": {alertKind: 7}}),
			counts{alertKind: 7}, 0.7, map[string]float64{ruleReported: 7},
		},
		"a service that began anew": {
			at(0, map[string]counts{"a": {"pci": 500}}), at(10, map[string]counts{"a": {"pci": 20}}), counts{"pci": 20}, 2, nil,
		},
		"a silent service": {
			at(0, map[string]counts{"a": {"pci": 5}}), at(10, map[string]counts{"a": nil}), counts{}, 0, map[string]float64{ruleSilence: 1},
		},
		"a service that was silent": {
			at(0, map[string]counts{"a": nil}), at(10, map[string]counts{"a": {"pci": 5000}}), counts{}, 0, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := compare(c.last, c.next, 10)
			if !maps.Equal(got.events, c.events) || got.perSecond != c.perSecond || !maps.Equal(got.alerts, c.alerts) {
				t.Errorf("%+v, want %v %g %v", got, c.events, c.perSecond, c.alerts)
			}
		})
	}
}

func TestEventsAreReadFromMetrics(t *testing.T) {
	const text = `# TYPE audit_events_total counter
audit_events_total{kind="pci"} 3
audit_events_total{kind="hipaa"} 4
# TYPE other_total counter
other_total{kind="pci"} 9
`
	got, err := parse(strings.NewReader(text))
	if want := (counts{"pci": 3, "hipaa": 4}); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if got, err := parse(strings.NewReader("# TYPE up gauge\nup 1\n")); err != nil || got == nil || len(got) != 0 {
		t.Errorf("without events: %v, %v", got, err)
	}
	if _, err := parse(strings.NewReader("<html>")); err == nil {
		t.Error("a page was taken for metrics")
	}
}
