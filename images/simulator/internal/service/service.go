// Package service puts one simulated service together and runs it.
package service

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/dependency"
	"firedrill.dev/simulator/internal/fault"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/httpserver"
	"firedrill.dev/simulator/internal/logs"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/peer"
	"firedrill.dev/simulator/internal/readiness"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/script"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/settings"
	"firedrill.dev/simulator/internal/trace"
	"firedrill.dev/simulator/internal/trust"
)

// host is what a service runs in.
type host struct {
	registry *prometheus.Registry
	flags    *flags.Set
	// faults follows the flags that no single request feels.
	faults func(*fault.Faults) func(context.Context)
	// background goes on beside the service.
	background []func(context.Context)
}

// Run runs the service until ctx is done, and then until all it has begun is finished.
func Run(ctx context.Context, service *config.Service) error {
	registry, set := metrics.New(), flags.NewSet()
	log := logs.New(os.Stdout, service.Name, registry)
	own := host{registry: registry, flags: set, faults: func(f *fault.Faults) func(context.Context) { return f.Run }}
	if service.FlagsURL != "" {
		own.background = append(own.background, flags.NewClient(service.FlagsURL, service.Name, set, log).Run)
	}
	return runIn(ctx, service, own, log)
}

// RunShared is Run in a process that other services run in too: flags come from a set that the caller keeps, those that
// would make the whole process suffer are not obeyed, and the registry holds nothing of the process.
func RunShared(ctx context.Context, service *config.Service, set *flags.Set, registry *prometheus.Registry) error {
	shared := host{registry: registry, flags: set, faults: func(f *fault.Faults) func(context.Context) { return f.RunShared }}
	return runIn(ctx, service, shared, logs.New(os.Stdout, service.Name, registry))
}

func runIn(ctx context.Context, service *config.Service, in host, log *slog.Logger) error {
	registry, set := in.registry, in.flags
	tracer, exporter := newTracer(service, registry, log)
	ready := readiness.New(registry)
	dependencies, err := dependency.New(service, set, ready, registry, tracer, log)
	if err != nil {
		return err
	}
	defer dependencies.Close()
	peers := peer.New(registry, ready, tracer)
	defer peers.Close()
	authority, err := trust.AuthorityOf(service)
	if err != nil {
		return err
	}
	key := seeded.NewKey(service.Seed, service.Name)
	audit := metrics.Counter(registry, "audit_events_total", "Audit records and compliance alerts.", "kind")
	rt := &role.Runtime{
		Config: service, Flags: set, Metrics: registry, Log: log, Tracer: tracer,
		Dependencies: dependencies, Readiness: ready,
		HTTP: httpserver.New(httpserver.Options{
			Address: service.Address, Key: key, LogSample: service.LogSample,
			Flags: set, Readiness: ready, Registry: registry, Tracer: tracer, Log: log,
		}),
		Scripts:  script.New(peers, dependencies),
		Settings: settings.NewStore(service.SettingsFile, set, registry, log),
		Audit:    audit, Key: key,
	}
	acting, err := role.New(ctx, rt)
	if err != nil {
		return err
	}
	background := append(in.background, ready.Run, rt.Settings.Run, dependencies.Run, in.faults(fault.New(set, ready, audit, log)))
	if authority != "" {
		roots := trust.NewRoots(authority, log)
		peers.SetTLS(roots.Client())
		background = append(background, roots.Run)
	}
	if exporter != nil {
		background = append(background, exporter.Run)
	}
	return run(ctx, rt.HTTP, acting, background, log)
}

func newTracer(service *config.Service, registry prometheus.Registerer, log *slog.Logger) (*trace.Tracer, *trace.Exporter) {
	if service.OTLPEndpoint == "" {
		return trace.NewTracer(nil), nil
	}
	exporter := trace.NewExporter(service.OTLPEndpoint, map[string]string{
		"service.name": service.Name, "service.namespace": service.Simulation, "service.version": service.Version,
	}, registry, log)
	return trace.NewTracer(exporter), exporter
}

// run serves and works until ctx is done or either part fails. What goes on in the background goes on until both are over.
func run(ctx context.Context, server *httpserver.Server, acting role.Role, background []func(context.Context), log *slog.Logger) error {
	behind, stopBehind := context.WithCancel(context.WithoutCancel(ctx))
	var others sync.WaitGroup
	for _, part := range background {
		others.Go(func() { part(behind) })
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts sync.WaitGroup
	var served, acted error
	parts.Go(func() { defer cancel(); served = server.Run(ctx) })
	parts.Go(func() { defer cancel(); acted = acting.Run(ctx) })
	<-ctx.Done()
	began := time.Now()
	parts.Wait()
	stopBehind()
	others.Wait()
	log.Info("stopped", "duration_ms", time.Since(began).Milliseconds())
	return errors.Join(served, acted)
}
