package config

import (
	"fmt"
	"math"
	"net"
	"net/url"
	"strings"
)

// Check tells what is wrong with the configuration.
func (s *Service) Check() error {
	if err := first(
		required("name", s.Name),
		share("logSample", s.LogSample),
		optionalURL("flagsUrl", s.FlagsURL),
		optionalURL("otlpEndpoint", s.OTLPEndpoint),
	); err != nil {
		return err
	}
	for name, broker := range s.Brokers {
		if err := first(
			oneOf("brokers."+name+".kind", broker.Kind, Kafka, MQTT),
			hostPort("brokers."+name+".address", broker.Address),
		); err != nil {
			return err
		}
	}
	for name, database := range s.Databases {
		if err := first(
			oneOf("databases."+name+".kind", database.Kind, Postgres),
			required("databases."+name+".url", database.URL),
			required("databases."+name+".schema", database.Schema),
		); err != nil {
			return err
		}
	}
	for name, cache := range s.Caches {
		if err := first(
			oneOf("caches."+name+".kind", cache.Kind, Redis),
			hostPort("caches."+name+".address", cache.Address),
		); err != nil {
			return err
		}
	}
	return first(s.checkEndpoints(), s.checkConsumes())
}

// reservedPaths are served by the simulator itself.
var reservedPaths = map[string]bool{"/metrics": true, "/healthz": true, "/readyz": true}

func (s *Service) checkEndpoints() error {
	seen := map[string]bool{}
	for i := range s.Endpoints {
		endpoint, place := &s.Endpoints[i], fmt.Sprintf("endpoints[%d]", i)
		if !strings.HasPrefix(endpoint.Path, "/") || strings.ContainsAny(endpoint.Path, " {}") {
			return &Error{place + ".path", fmt.Sprintf("%q is not an absolute path", endpoint.Path)}
		}
		if seen[endpoint.Path] || reservedPaths[endpoint.Path] {
			return &Error{place + ".path", fmt.Sprintf("%q is already taken", endpoint.Path)}
		}
		seen[endpoint.Path] = true
		if err := first(
			share(place+".errorRate", endpoint.ErrorRate),
			endpoint.Latency.check(place+".latency"),
			between(place+".responseBytes", float64(endpoint.ResponseBytes), 0, 1<<20),
			notNegative(place+".timeout", float64(endpoint.Timeout)),
			s.checkScript(place+".script", endpoint.Script, false),
		); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) checkConsumes() error {
	for i := range s.Consumes {
		consume, place := &s.Consumes[i], fmt.Sprintf("consumes[%d]", i)
		if err := first(
			known(place+".broker", consume.Broker, s.Brokers),
			required(place+".topic", consume.Topic),
			required(place+".group", consume.Group),
			s.checkScript(place+".script", consume.Script, false),
		); err != nil {
			return err
		}
	}
	return nil
}

func (d *Distribution) check(place string) error {
	if err := first(
		between(place+".median", float64(d.Median), 0, 3600),
		between(place+".p99", float64(d.P99), 0, 3600),
	); err != nil {
		return err
	}
	if d.P99 != 0 && (d.Median == 0 || d.P99 < d.Median) {
		return &Error{place + ".p99", "must be at least the median, which must be above 0"}
	}
	return nil
}

func first(errors ...error) error {
	for _, err := range errors {
		if err != nil {
			return err
		}
	}
	return nil
}

func required(field, value string) error {
	if value == "" {
		return &Error{field, "is required"}
	}
	return nil
}

func between(field string, value, low, high float64) error {
	if math.IsNaN(value) || value < low || value > high {
		return &Error{field, fmt.Sprintf("%g is not between %g and %g", value, low, high)}
	}
	return nil
}

func share(field string, value float64) error { return between(field, value, 0, 1) }

func notNegative(field string, value float64) error { return between(field, value, 0, 1e9) }

func oneOf(field, value string, allowed ...string) error {
	for _, candidate := range allowed {
		if value == candidate {
			return nil
		}
	}
	return &Error{field, fmt.Sprintf("%q is none of %s", value, strings.Join(allowed, ", "))}
}

func known[V any](field, name string, defined map[string]V) error {
	if _, found := defined[name]; !found {
		return &Error{field, fmt.Sprintf("%q is not defined", name)}
	}
	return nil
}

func httpURL(field, value string) error {
	parsed, err := url.Parse(value)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
		return &Error{field, fmt.Sprintf("%q is not an http URL", value)}
	}
	return nil
}

func optionalURL(field, value string) error {
	if value == "" {
		return nil
	}
	return httpURL(field, value)
}

func hostPort(field, value string) error {
	if _, port, err := net.SplitHostPort(value); err != nil || port == "" {
		return &Error{field, fmt.Sprintf("%q is not host:port", value)}
	}
	return nil
}
