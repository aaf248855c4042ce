package config

import "fmt"

// Load configures the load generator.
type Load struct {
	Name       string  `json:"name"`
	Simulation string  `json:"simulation"`
	Seed       uint64  `json:"seed"`
	Version    string  `json:"version"`
	Entries    []Entry `json:"entries"`
	// Rate is the mean number of requests a second.
	Rate   float64 `json:"rate"`
	Shape  Shape   `json:"shape"`
	Bursts Bursts  `json:"bursts"`
	// Timeout bounds each request; 0 means 5 seconds.
	Timeout Seconds `json:"timeout"`
	// MaxInFlight bounds the requests under way; 0 means 500. Arrivals beyond it are dropped and counted.
	MaxInFlight int `json:"maxInFlight"`
	// FlagsURL is the base URL of the flags server; empty means that no flag is ever set.
	FlagsURL string `json:"flagsUrl"`
	// Address is what the HTTP server listens on; empty means :8080.
	Address string `json:"address"`
}

// Kinds of request bodies.
const (
	NoBody      = "none"
	PaymentBody = "payment"
)

// Entry is one kind of request; entries are drawn by their weights.
type Entry struct {
	Name   string  `json:"name"`
	URL    string  `json:"url"`
	Method string  `json:"method"`
	Weight float64 `json:"weight"`
	Body   string  `json:"body"`
}

// Shape is the periodic part of the rate: rate * (1 + Amplitude*sin(2*pi*(t/Period+Phase))).
type Shape struct {
	// Period in seconds; 0 means a flat rate.
	Period    Seconds `json:"period"`
	Amplitude float64 `json:"amplitude"`
	// Phase in periods.
	Phase float64 `json:"phase"`
}

// Bursts multiply the rate by Factor for Duration, once at a seeded moment of each window of length Every; Every 0 means none.
type Bursts struct {
	Every    Seconds `json:"every"`
	Duration Seconds `json:"duration"`
	Factor   float64 `json:"factor"`
}

// Check tells what is wrong with the configuration.
func (l *Load) Check() error {
	if err := first(
		required("name", l.Name),
		between("rate", l.Rate, 1e-6, 1e5),
		notNegative("shape.period", float64(l.Shape.Period)),
		between("shape.amplitude", l.Shape.Amplitude, 0, 1),
		notNegative("bursts.every", float64(l.Bursts.Every)),
		between("bursts.duration", float64(l.Bursts.Duration), 0, float64(l.Bursts.Every)),
		between("bursts.factor", l.Bursts.Factor, 0, 1000),
		notNegative("timeout", float64(l.Timeout)),
		between("maxInFlight", float64(l.MaxInFlight), 0, 1e6),
		optionalURL("flagsUrl", l.FlagsURL),
	); err != nil {
		return err
	}
	if len(l.Entries) == 0 {
		return &Error{"entries", "needs at least one entry"}
	}
	total := 0.0
	for i := range l.Entries {
		entry, place := &l.Entries[i], fmt.Sprintf("entries[%d]", i)
		if err := first(
			required(place+".name", entry.Name),
			httpURL(place+".url", entry.URL),
			between(place+".weight", entry.Weight, 0, 1e9),
			oneOf(place+".method", entry.Method, "", "GET", "POST", "PUT", "DELETE"),
			oneOf(place+".body", entry.Body, "", NoBody, PaymentBody),
		); err != nil {
			return err
		}
		total += entry.Weight
	}
	if total == 0 {
		return &Error{"entries", "need a weight above 0"}
	}
	return nil
}
