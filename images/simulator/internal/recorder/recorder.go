package recorder

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/kubeapi"
)

const (
	podsPath   = "/api/v1/namespaces/%s/pods"
	eventsPath = "/apis/events.k8s.io/v1/namespaces/%s/events"
)

// recorder follows everything in one namespace.
type recorder struct {
	client    *kubeapi.Client
	namespace string
	self      string
	store     *Store
	logs      *logFollower
	events    *events
	log       *slog.Logger
	unsynced  atomic.Int32
}

func newRecorder(client *kubeapi.Client, configuration *config.Recorder, store *Store, registry prometheus.Registerer, log *slog.Logger) *recorder {
	namespace := configuration.Namespace
	if namespace == "" {
		namespace = client.Namespace
	}
	made := &recorder{
		client: client, namespace: namespace, self: configuration.Name, store: store, log: log,
		logs: newLogFollower(client, namespace, store, registry, log), events: newEvents(store, configuration.Name),
	}
	made.unsynced.Store(int32(len(collections)) + 2)
	return made
}

// unready says what keeps the recorder from being ready, if anything.
func (r *recorder) unready() string {
	if err := r.store.Problem(); err != nil {
		return "records can not be written: " + err.Error()
	}
	if left := r.unsynced.Load(); left > 0 {
		return fmt.Sprintf("%d collections have not been listed yet", left)
	}
	return ""
}

// restore learns from the records of an earlier process what must not be recorded again.
func (r *recorder) restore() error {
	end := time.Now().Add(24 * time.Hour)
	var row struct {
		Time      time.Time `json:"time"`
		UID       string    `json:"uid"`
		Container string    `json:"container"`
		Record    string    `json:"record"`
		Count     int       `json:"count"`
	}
	for _, stream := range []string{Logs, Events, Truth} {
		err := r.store.Read(stream, time.Time{}, end, func(line []byte) error {
			row.UID, row.Container, row.Record, row.Count = "", "", "", 0
			if err := json.Unmarshal(line, &row); err != nil {
				return err
			}
			switch {
			case stream == Logs || row.Record == "log":
				r.logs.recorded(containerKey{row.UID, row.Container}, row.Time)
			case stream == Events || row.Record == "event":
				r.events.recorded(row.UID, row.Count)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("the records of %s can not be read: %w", stream, err)
		}
	}
	return nil
}

// run follows until ctx is done.
func (r *recorder) run(ctx context.Context) {
	var group sync.WaitGroup
	follow := func(path string, follower kubeapi.Follower) {
		path = fmt.Sprintf(path, r.namespace)
		counted := &synced{Follower: follower, first: func() { r.unsynced.Add(-1) }}
		group.Go(func() { r.client.Follow(ctx, path, url.Values{}, counted, r.log) })
	}
	follow(podsPath, newPods(ctx, r.store, r.logs, r.self))
	follow(eventsPath, r.events)
	for _, each := range collections {
		follow(each.path, newChanges(r.store, each.kind, r.self))
	}
	group.Wait()
	r.logs.tasks.Wait()
}

// synced tells once that a listing has ended.
type synced struct {
	kubeapi.Follower
	once  sync.Once
	first func()
}

// Synced passes the end of a listing on.
func (s *synced) Synced() {
	s.Follower.Synced()
	s.once.Do(s.first)
}
