package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/kubeapi"
	"firedrill.dev/simulator/internal/metrics"
)

const (
	reconnectFirst = 500 * time.Millisecond
	reconnectLast  = 10 * time.Second
)

// containerKey names a container of a pod over all its restarts.
type containerKey struct{ uid, container string }

// containerState is what the pod's status says of a container.
type containerState struct {
	id       string
	restarts int
	ended    bool
}

// logFollower follows the logs of containers, one stream each.
type logFollower struct {
	client    *kubeapi.Client
	namespace string
	store     *Store
	log       *slog.Logger
	open      prometheus.Gauge
	breaks    *prometheus.CounterVec

	mutex     sync.Mutex
	positions map[containerKey]*position
	followed  map[containerKey]*followed
	tasks     sync.WaitGroup
}

type followed struct {
	record logRecord
	truth  bool
	stop   context.CancelFunc

	mutex   sync.Mutex
	state   containerState
	changed chan struct{}
}

func newLogFollower(client *kubeapi.Client, namespace string, store *Store, registry prometheus.Registerer, log *slog.Logger) *logFollower {
	l := &logFollower{
		client: client, namespace: namespace, store: store, log: log,
		open:      prometheus.NewGauge(prometheus.GaugeOpts{Name: "recorder_log_streams", Help: "Logs of containers that are being followed."}),
		breaks:    metrics.Counter(registry, "recorder_log_breaks_total", "Ends of log streams by what ended them.", "reason"),
		positions: map[containerKey]*position{}, followed: map[containerKey]*followed{},
	}
	registry.MustRegister(l.open)
	return l
}

// recorded takes note of a line that an earlier process has recorded.
func (l *logFollower) recorded(key containerKey, at time.Time) { l.position(key).advance(at) }

func (l *logFollower) position(key containerKey) *position {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.positions[key] == nil {
		l.positions[key] = new(position)
	}
	return l.positions[key]
}

// update tells of a container's state; its log is followed from its first state on.
func (l *logFollower) update(ctx context.Context, record logRecord, truth bool, state containerState) {
	key := containerKey{record.UID, record.Container}
	l.mutex.Lock()
	found := l.followed[key]
	if found == nil {
		streaming, stop := context.WithCancel(ctx)
		found = &followed{record: record, truth: truth, stop: stop, changed: make(chan struct{})}
		l.followed[key] = found
		l.tasks.Go(func() { l.follow(streaming, key, found) })
	}
	l.mutex.Unlock()
	found.mutex.Lock()
	defer found.mutex.Unlock()
	if found.state != state {
		found.state = state
		close(found.changed)
		found.changed = make(chan struct{})
	}
}

// gone ends following the containers of a pod that is no more.
func (l *logFollower) gone(uid string) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	for key, found := range l.followed {
		if key.uid == uid {
			found.stop()
			delete(l.followed, key)
			delete(l.positions, key)
		}
	}
}

func (f *followed) now() (containerState, <-chan struct{}) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.state, f.changed
}

// follow reads a container's log through all its restarts until ctx is done.
func (l *logFollower) follow(ctx context.Context, key containerKey, f *followed) {
	at, wait, restarts, finished := l.position(key), reconnectFirst, 0, ""
	for ctx.Err() == nil {
		state, changed := f.now()
		if state.id == "" || state.id == finished {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		if state.restarts > restarts {
			if err := l.read(ctx, at, f, url.Values{"previous": {"true"}}); err != nil {
				// Only the last ended container's log is kept by the kubelet; an earlier one is lost.
				l.breaks.WithLabelValues("previous_missing").Inc()
			}
			restarts = state.restarts
		}
		before := *at
		err := l.read(ctx, at, f, url.Values{"follow": {"true"}})
		if ctx.Err() != nil {
			return
		}
		if *at != before {
			wait = reconnectFirst
		}
		now, changed := f.now()
		switch {
		case err == nil && now.id == state.id && now.ended:
			finished = state.id
			continue
		case err == nil:
			l.breaks.WithLabelValues("ended").Inc()
		default:
			l.breaks.WithLabelValues("broken").Inc()
			l.log.Debug("a log stream broke", "pod", f.record.Pod, "container", f.record.Container, "error", err.Error())
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-time.After(wait):
		}
		wait = min(2*wait, reconnectLast)
	}
}

// read records the lines of one stream that are not recorded yet.
func (l *logFollower) read(ctx context.Context, at *position, f *followed, query url.Values) error {
	query.Set("container", f.record.Container)
	query.Set("timestamps", "true")
	if !at.at.IsZero() {
		query.Set("sinceTime", at.at.UTC().Format(time.RFC3339))
	}
	path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/log", l.namespace, f.record.Pod)
	body, err := l.client.Get(ctx, path, query)
	if err != nil {
		return err
	}
	l.open.Inc()
	defer l.open.Dec()
	skip := resume{from: *at}
	reading := readLines(body, at.at, func(when time.Time, stamped bool, line []byte, cut bool) {
		if stamped {
			if !skip.isNew(when) {
				return
			}
			at.advance(when)
		}
		l.record(f, when, line, cut)
	})
	return errors.Join(reading, body.Close())
}

func (l *logFollower) record(f *followed, at time.Time, line []byte, cut bool) {
	kept, truth := redact(line)
	record := f.record
	record.Line, record.Cut = string(kept), cut
	if truth || f.truth {
		l.store.Append(Truth, at, truthLog{"log", record})
		return
	}
	l.store.Append(Logs, at, record)
}
