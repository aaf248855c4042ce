package load

import (
	"context"
	"os"
	"sync"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/httpserver"
	"firedrill.dev/simulator/internal/logs"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/readiness"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/trace"
)

// Run generates load until ctx is done.
func Run(ctx context.Context, configuration *config.Load) error {
	registry := metrics.New()
	log := logs.New(os.Stdout, configuration.Name, registry)
	set := flags.NewSet()
	ready := readiness.New(registry)
	server := httpserver.New(httpserver.Options{
		Address: configuration.Address, Key: seeded.NewKey(configuration.Seed, configuration.Name),
		Flags: set, Readiness: ready, Registry: registry, Tracer: trace.NewTracer(nil), Log: log,
	})
	made := newGenerator(configuration, set, registry, log)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var parts sync.WaitGroup
	defer parts.Wait()
	if configuration.FlagsURL != "" {
		parts.Go(func() { flags.NewClient(configuration.FlagsURL, configuration.Name, set, log).Run(ctx) })
	}
	parts.Go(func() { made.run(ctx) })
	defer cancel()
	return server.Run(ctx)
}
