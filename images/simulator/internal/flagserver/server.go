package flagserver

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"sync"
	"time"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/httpserver"
	"firedrill.dev/simulator/internal/logs"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/readiness"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/trace"
)

// longPoll is how long a poll without news is kept waiting.
const longPoll = 30 * time.Second

// Run serves the flags until ctx is done.
func Run(ctx context.Context, configuration *config.FlagServer) error {
	registry := metrics.New()
	log := logs.New(os.Stdout, configuration.Name, registry)
	ready := readiness.New(registry)
	held := newStore(registry, ready, log)
	server := httpserver.New(httpserver.Options{
		Address: configuration.Address, Key: seeded.NewKey(0, configuration.Name),
		Flags: flags.NewSet(), Readiness: ready, Registry: registry, Tracer: trace.NewTracer(nil), Log: log,
	})
	server.Handle("GET /flags", &poll{held, longPoll, ctx.Done()})
	follow := followFile(configuration.File, log)
	if configuration.File == "" {
		source, err := inCluster(configuration.ConfigMap, log)
		if err != nil {
			return err
		}
		follow = source.follow
	}
	var following sync.WaitGroup
	defer following.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	following.Go(func() { follow(ctx, held.offer) })
	return server.Run(ctx)
}

// poll answers GET /flags?service=NAME&revision=R: at once if the revision is not R, else when it changes or time is up.
type poll struct {
	store    *store
	longest  time.Duration
	stopping <-chan struct{}
}

func (p *poll) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service, revision := r.FormValue("service"), r.FormValue("revision")
	if service == "" {
		http.Error(w, "the parameter service is required", http.StatusBadRequest)
		return
	}
	timer := time.NewTimer(p.longest)
	defer timer.Stop()
	answer, changed := p.store.answer(service)
	for waiting := true; waiting && answer.Revision == revision; {
		select {
		case <-changed:
			answer, changed = p.store.answer(service)
		case <-timer.C:
			waiting = false
		case <-p.stopping:
			waiting = false
		case <-r.Context().Done():
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // a caller that hung up asks again
}
