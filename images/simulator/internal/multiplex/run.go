// Package multiplex serves for pods that are faked: each service of such pods runs in this one process, on a port of its own,
// while at least one of its pods is Ready. When none is, its connections are closed at once and new ones are refused.
package multiplex

import (
	"context"
	"net/url"
	"os"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/flagserver"
	"firedrill.dev/simulator/internal/httpserver"
	"firedrill.dev/simulator/internal/kubeapi"
	"firedrill.dev/simulator/internal/logs"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/readiness"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/trace"
)

// Run serves until ctx is done, and then until all that was begun is finished.
func Run(ctx context.Context, configuration *config.Multiplexer) error {
	client, err := kubeapi.InCluster()
	if err != nil {
		return err
	}
	return run(ctx, configuration, client)
}

func run(ctx context.Context, configuration *config.Multiplexer, client *kubeapi.Client) error {
	registry := metrics.New()
	shown := newGatherer(registry)
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "multiplexed_services", Help: "Services that are served for faked pods now.",
	}, shown.size))
	log := logs.New(os.Stdout, configuration.Name, registry)
	ready := readiness.New(registry)
	source := flagserver.NewSource(client, configuration.FlagsConfigMap, ready, log)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	hosting := newHost(ctx, source, shown, log)
	ready.Block(hosting.unready)
	server := httpserver.New(httpserver.Options{
		Address: configuration.Address, Key: seeded.NewKey(0, configuration.Name), Flags: flags.NewSet(),
		Readiness: ready, Registry: registry, Shown: shown, Tracer: trace.NewTracer(nil), Log: log,
	})
	var following sync.WaitGroup
	following.Go(func() { source.Run(ctx) })
	following.Go(func() { hosting.followFlags(ctx) })
	following.Go(func() {
		pods := "/api/v1/namespaces/" + client.Namespace + "/pods"
		client.Follow(ctx, pods, url.Values{"labelSelector": {selector}}, hosting, log)
	})
	err := server.Run(ctx)
	cancel()
	following.Wait()
	hosting.tasks.Wait()
	return err
}
