package siem

import (
	"time"
)

// Rules by which alerts are raised.
const (
	ruleReported = "reported"   // a service reported a compliance alert itself
	ruleRate     = "audit-rate" // more audit events a second than the threshold, over all services
	ruleSilence  = "no-answer"  // a service does not tell its audit events
)

// alertKind is the kind of audit events that are alerts already.
const alertKind = "compliance-alert"

// counts are the audit events of one service by kind, since it started.
type counts map[string]float64

// reading is what one look at all services gave; a service that did not answer has nil.
type reading struct {
	at       time.Time
	services map[string]counts
}

// finding is what two readings say together.
type finding struct {
	// events are new audit events by kind.
	events counts
	// perSecond is their rate over all kinds.
	perSecond float64
	// alerts are new alerts by rule.
	alerts map[string]float64
}

func compare(last, next reading, threshold float64) finding {
	found := finding{counts{}, 0, map[string]float64{}}
	for service, now := range next.services {
		if now == nil {
			found.alerts[ruleSilence]++
			continue
		}
		before, known := last.services[service]
		if !known || before == nil {
			continue // without an earlier count it is not known what is new
		}
		for kind, count := range now {
			fresh := count - before[kind]
			if fresh < 0 {
				fresh = count // the service began anew
			}
			found.events[kind] += fresh
		}
	}
	if found.events[alertKind] > 0 {
		found.alerts[ruleReported] = found.events[alertKind]
	}
	if elapsed := next.at.Sub(last.at).Seconds(); elapsed > 0 && !last.at.IsZero() {
		for _, fresh := range found.events {
			found.perSecond += fresh / elapsed
		}
	}
	if found.perSecond > threshold {
		found.alerts[ruleRate] = 1
	}
	return found
}
