// Package dependency makes the clients of a service's brokers, databases and caches.
package dependency

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/broker"
	"firedrill.dev/simulator/internal/cache"
	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/database"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/readiness"
	"firedrill.dev/simulator/internal/trace"
)

// Set holds the clients of one service; each is part of its readiness.
type Set struct {
	brokers   map[string]*broker.Client
	databases map[string]*database.Client
	caches    map[string]*cache.Client
	log       *slog.Logger
}

// New makes a client for all that the configuration names, and for nothing else.
func New(service *config.Service, set *flags.Set, ready *readiness.Registry, registry prometheus.Registerer, tracer *trace.Tracer, log *slog.Logger) (*Set, error) {
	made := &Set{
		brokers: map[string]*broker.Client{}, databases: map[string]*database.Client{}, caches: map[string]*cache.Client{}, log: log,
	}
	if len(service.Brokers) > 0 {
		shared := broker.NewMetrics(registry)
		for name, described := range service.Brokers {
			client, err := broker.New(described, service.Name, shared, set, tracer, log)
			if err != nil {
				return nil, fmt.Errorf("broker %s: %w", name, err)
			}
			made.brokers[name] = client
			ready.Require(name, described.Kind, client.Check)
		}
	}
	if len(service.Databases) > 0 {
		shared := database.NewMetrics(registry)
		for name, described := range service.Databases {
			client, err := database.New(name, described, shared, set, tracer, log)
			if err != nil {
				return nil, err
			}
			made.databases[name] = client
			ready.Require(name, described.Kind, client.Check)
		}
	}
	if len(service.Caches) > 0 {
		shared := cache.NewMetrics(registry)
		for name, described := range service.Caches {
			client := cache.New(name, service.Name, described, shared, set, tracer)
			made.caches[name] = client
			ready.Require(name, described.Kind, client.Check)
		}
	}
	return made, nil
}

// Run keeps the databases' schemas there until ctx is done.
func (s *Set) Run(ctx context.Context) {
	var group sync.WaitGroup
	for _, client := range s.databases {
		group.Go(func() { client.Maintain(ctx) })
	}
	group.Wait()
}

// Broker is a broker's client.
func (s *Set) Broker(name string) (*broker.Client, error) { return find("brokers", name, s.brokers) }

// Database is a database's client.
func (s *Set) Database(name string) (*database.Client, error) {
	return find("databases", name, s.databases)
}

// Cache is a cache's client.
func (s *Set) Cache(name string) (*cache.Client, error) { return find("caches", name, s.caches) }

func find[C any](field, name string, clients map[string]*C) (*C, error) {
	client := clients[name]
	if client == nil {
		return nil, &config.Error{Field: field, Reason: fmt.Sprintf("%q is not defined", name)}
	}
	return client, nil
}

// Close ends all connections.
func (s *Set) Close() {
	for _, client := range s.brokers {
		client.Close()
	}
	for _, client := range s.databases {
		client.Close()
	}
	var failed error
	for _, client := range s.caches {
		failed = errors.Join(failed, client.Close())
	}
	if failed != nil {
		s.log.Warn("caches were not closed cleanly", "error", failed.Error())
	}
}
