package flagserver

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/kubeapi"
	"firedrill.dev/simulator/internal/readiness"
)

// Source follows the flags of all services for a process that runs many of them.
type Source struct {
	store *store
	from  *configMap
}

// NewSource follows a ConfigMap of the client's namespace; the process is not ready before it was read once.
func NewSource(client *kubeapi.Client, name string, ready *readiness.Registry, log *slog.Logger) *Source {
	// Neither metrics nor logs of services tell which flags are on; those of the flags server do.
	silent := newStore(prometheus.NewRegistry(), ready, slog.New(slog.DiscardHandler))
	return &Source{silent, &configMap{client, name, log}}
}

// Run follows until ctx is done.
func (s *Source) Run(ctx context.Context) { s.from.follow(ctx, s.store.offer) }

// Flags are those of a service now, and a channel that is closed when any flag of any service changes.
func (s *Source) Flags(service string) ([]flags.Flag, <-chan struct{}) {
	answer, changed := s.store.answer(service)
	return answer.Flags, changed
}
