package multiplex

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/httpserver"
	"firedrill.dev/simulator/internal/service"
)

// retryAfter is how long a service that failed stays down, unless something else is wanted of it before.
const retryAfter = 2 * time.Second

// keeper runs one service while it is wanted, and kills it when it is not or when another configuration is.
type keeper struct {
	name  string
	flags *flags.Set
	shown *gatherer
	log   *slog.Logger

	mutex   sync.Mutex
	wanted  *serving
	changed chan struct{}
}

func newKeeper(name string, shown *gatherer, log *slog.Logger) *keeper {
	return &keeper{name: name, flags: flags.NewSet(), shown: shown, log: log, changed: make(chan struct{})}
}

// want says what is to be served from now on; nil means nothing.
func (k *keeper) want(next *serving) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	if next == k.wanted || (next != nil && k.wanted != nil && *next == *k.wanted) {
		return
	}
	k.wanted = next
	close(k.changed)
	k.changed = make(chan struct{})
}

func (k *keeper) now() (*serving, <-chan struct{}) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return k.wanted, k.changed
}

// run keeps to what is wanted until ctx is done; then it lets the service end in its own time.
func (k *keeper) run(ctx context.Context) {
	for ctx.Err() == nil {
		wanted, changed := k.now()
		if wanted == nil {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		living, kill := context.WithCancelCause(ctx)
		go func() {
			select {
			case <-changed:
			case <-living.Done():
			}
			kill(httpserver.ErrKilled)
		}()
		err := k.serve(living, wanted)
		kill(nil)
		if err == nil {
			continue
		}
		k.log.Error("a service could not be served", "faked", k.name, "error", err.Error())
		select {
		case <-changed:
		case <-ctx.Done():
		case <-time.After(retryAfter):
		}
	}
}

func (k *keeper) serve(ctx context.Context, wanted *serving) error {
	parsed, err := config.Parse[config.Service]([]byte(wanted.configuration))
	if err != nil {
		return err
	}
	parsed.Address = ":" + strconv.Itoa(wanted.port)
	registry := prometheus.NewRegistry()
	k.shown.add(k.name, registry)
	defer k.shown.remove(k.name)
	return service.RunShared(ctx, parsed, k.flags, registry)
}
