package role

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"firedrill.dev/simulator/internal/broker"
	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/database"
)

// Number reads an option that is a number of at least low; fallback if it is absent.
func (rt *Runtime) Number(name string, fallback, low float64) (float64, error) {
	text, present := rt.Config.Options[name]
	if !present {
		return fallback, nil
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(value, 0) || math.IsNaN(value) || value < low {
		return 0, &config.Error{Field: "options." + name, Reason: fmt.Sprintf("%q is not a number of at least %g", text, low)}
	}
	return value, nil
}

// Seconds reads an option that is a positive number of seconds; fallback if it is absent.
func (rt *Runtime) Seconds(name string, fallback time.Duration) (time.Duration, error) {
	value, err := rt.Number(name, fallback.Seconds(), 1e-3)
	return time.Duration(value * float64(time.Second)), err
}

// OnlyDatabase is the one database of the configuration that has a schema.
func (rt *Runtime) OnlyDatabase(schema string) (*database.Client, error) {
	name, err := only(rt.Config.Databases, "databases", "schema "+schema, func(one config.Database) bool { return one.Schema == schema })
	if err != nil {
		return nil, err
	}
	return rt.Dependencies.Database(name)
}

// OnlyBroker is the one broker of the configuration that is of a kind, and where it listens.
func (rt *Runtime) OnlyBroker(kind string) (client *broker.Client, address string, err error) {
	name, err := only(rt.Config.Brokers, "brokers", "kind "+kind, func(one config.Broker) bool { return one.Kind == kind })
	if err != nil {
		return nil, "", err
	}
	client, err = rt.Dependencies.Broker(name)
	return client, rt.Config.Brokers[name].Address, err
}

// Called is the base URL of the service of a role among those that the configuration names in calls: the only one, or
// of several the one with the role's name.
func (rt *Runtime) Called(wanted string) (name, url string, err error) {
	if url, found := rt.Config.Calls[wanted]; found {
		return wanted, url, nil
	}
	name, err = only(rt.Config.Calls, "calls", "the role "+wanted, func(string) bool { return true })
	return name, rt.Config.Calls[name], err
}

func only[V any](all map[string]V, field, what string, fits func(V) bool) (string, error) {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if fits(all[name]) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		return "", &config.Error{Field: field, Reason: fmt.Sprintf("needs exactly one of %s, has %d", what, len(found))}
	}
	return found[0], nil
}
