package multiplex

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"

	"firedrill.dev/simulator/internal/flags"
)

// flagSource tells the flags of a service.
type flagSource interface {
	Flags(service string) ([]flags.Flag, <-chan struct{})
}

// host follows the faked pods and keeps for each service what its pods ask for.
type host struct {
	ctx   context.Context
	flags flagSource
	shown *gatherer
	log   *slog.Logger
	tasks sync.WaitGroup

	mutex    sync.Mutex
	synced   bool
	replicas map[string]replica // by UID, those that are up
	listed   map[string]replica
	keepers  map[string]*keeper
}

func newHost(ctx context.Context, source flagSource, shown *gatherer, log *slog.Logger) *host {
	return &host{
		ctx: ctx, flags: source, shown: shown, log: log,
		replicas: map[string]replica{}, listed: map[string]replica{}, keepers: map[string]*keeper{},
	}
}

// unready says what keeps the process from being ready, if anything.
func (h *host) unready() string {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if !h.synced {
		return "the pods have not been listed yet"
	}
	return ""
}

// Listed takes a pod of a listing.
func (h *host) Listed(object json.RawMessage) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	if found, ok := h.decode(object); ok && found.up() {
		if up, whole := found.replica(); whole {
			h.listed[up.uid] = up
		}
	}
}

// Synced takes the listing for all that there is.
func (h *host) Synced() {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	touched := map[string]bool{}
	for _, each := range h.replicas {
		touched[each.service] = true
	}
	for _, each := range h.listed {
		touched[each.service] = true
	}
	h.replicas, h.listed, h.synced = h.listed, map[string]replica{}, true
	latest := h.latest()
	for service := range touched {
		h.want(service, latest[service])
	}
}

// Changed takes a change of one pod.
func (h *host) Changed(kind string, object json.RawMessage) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	found, ok := h.decode(object)
	if !ok {
		return
	}
	up, whole := found.replica()
	if _, known := h.replicas[up.uid]; !known && !whole {
		return
	}
	delete(h.replicas, up.uid)
	if whole && kind != "DELETED" && found.up() {
		h.replicas[up.uid] = up
	}
	h.want(up.service, h.latestOf(up.service))
}

func (h *host) decode(object json.RawMessage) (*pod, bool) {
	found := new(pod)
	if err := json.Unmarshal(object, found); err != nil {
		h.log.Error("a pod could not be decoded", "error", err.Error())
		return nil, false
	}
	return found, true
}

// latest is the newest replica of each service.
func (h *host) latest() map[string]*replica {
	newest := map[string]*replica{}
	for _, each := range h.replicas {
		if known := newest[each.service]; known == nil || each.newer(known) {
			newest[each.service] = &each
		}
	}
	return newest
}

func (h *host) latestOf(service string) *replica {
	var newest *replica
	for _, each := range h.replicas {
		if each.service == service && (newest == nil || each.newer(newest)) {
			newest = &each
		}
	}
	return newest
}

func (h *host) want(service string, newest *replica) {
	kept := h.keepers[service]
	if newest == nil {
		if kept != nil {
			kept.want(nil)
		}
		return
	}
	if kept == nil {
		kept = newKeeper(service, h.shown, h.log)
		set, _ := h.flags.Flags(service)
		kept.flags.Replace(set)
		h.keepers[service] = kept
		h.tasks.Go(func() { kept.run(h.ctx) })
	}
	kept.want(&newest.serving)
}

// followFlags passes changed flags on until ctx is done.
func (h *host) followFlags(ctx context.Context) {
	for ctx.Err() == nil {
		_, changed := h.flags.Flags("")
		h.mutex.Lock()
		for name, kept := range h.keepers {
			set, _ := h.flags.Flags(name)
			kept.flags.Replace(set)
		}
		h.mutex.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}
