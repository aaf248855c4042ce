// Package recorder keeps the telemetry of a simulation beside its metrics: logs, Events, changes of objects, states of
// pods, and apart from them the ground truth of which faults were on.
package recorder

import (
	"context"
	"os"
	"sync"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/httpserver"
	"firedrill.dev/simulator/internal/kubeapi"
	"firedrill.dev/simulator/internal/logs"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/readiness"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/trace"
)

// Run records until ctx is done.
func Run(ctx context.Context, configuration *config.Recorder) error {
	client, err := kubeapi.InCluster()
	if err != nil {
		return err
	}
	registry := metrics.New()
	log := logs.New(os.Stdout, configuration.Name, registry)
	ready := readiness.New(registry)
	store, err := Open(configuration.Dir, configuration.Retention.Duration(), *configuration.MaxBytes, registry, log)
	if err != nil {
		return err
	}
	made := newRecorder(client, configuration, store, registry, log)
	if err := made.restore(); err != nil {
		return err
	}
	ready.Block(made.unready)
	server := httpserver.New(httpserver.Options{
		Address: configuration.Address, Key: seeded.NewKey(0, configuration.Name),
		Flags: flags.NewSet(), Readiness: ready, Registry: registry, Tracer: trace.NewTracer(nil), Log: log,
	})
	server.Handle("GET /records", newRecords(store, log))
	defer running(store.Run)()
	defer running(made.run)()
	return server.Run(ctx)
}

// running starts a task and gives what ends it and waits for its end.
func running(task func(context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { task(ctx) })
	return func() {
		cancel()
		group.Wait()
	}
}
