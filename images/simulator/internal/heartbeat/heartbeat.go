// Package heartbeat is the role heartbeat: it tracks which devices are alive by their messages.
package heartbeat

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/broker"
	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/failure"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/httpserver"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/mqtt"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/scripted"
	"firedrill.dev/simulator/internal/telemetry"
)

const (
	defaultTimeout = 30 * time.Second
	sweepEach      = time.Second
	pageSize       = 100
	largestPage    = 10_000
	// namedLost is how many lost devices of one sweep are named in the log.
	namedLost = 10
)

func init() { role.Register("heartbeat", New) }

type heartbeat struct {
	rt      *role.Runtime
	broker  *broker.Client
	address string
	tracker *tracker

	online   prometheus.Gauge
	known    prometheus.Gauge
	oldest   prometheus.Gauge
	timeouts prometheus.Counter
	returns  prometheus.Counter
}

// New sets the role up; the endpoints of the configuration are served beside /devices.
func New(_ context.Context, rt *role.Runtime) (role.Role, error) {
	h := &heartbeat{rt: rt}
	var err error
	if h.broker, h.address, err = rt.OnlyBroker(config.MQTT); err != nil {
		return nil, err
	}
	timeout, err := rt.Seconds("timeout", defaultTimeout)
	if err != nil {
		return nil, err
	}
	h.tracker = newTracker(timeout)
	h.online = metrics.Gauge(rt.Metrics, "devices_online", "Devices that spoke within the timeout.").WithLabelValues()
	h.known = metrics.Gauge(rt.Metrics, "devices_known", "Devices that ever spoke.").WithLabelValues()
	h.oldest = metrics.Gauge(rt.Metrics, "device_last_seen_oldest_timestamp_seconds", "When the device that is silent the longest spoke.").WithLabelValues()
	h.timeouts = metrics.Counter(rt.Metrics, "heartbeat_timeouts_total", "Times that a device was lost.").WithLabelValues()
	h.returns = metrics.Counter(rt.Metrics, "heartbeat_returns_total", "Times that a lost device spoke again.").WithLabelValues()
	rt.HTTP.Handle("GET /devices", http.HandlerFunc(h.devices))
	served, err := scripted.Mount(rt)
	if err != nil {
		return nil, err
	}
	return role.Func(func(ctx context.Context) error { return h.run(ctx, served) }), nil
}

func (h *heartbeat) run(ctx context.Context, served role.Role) error {
	var group sync.WaitGroup
	group.Go(func() { h.watch(ctx) })
	group.Go(func() {
		mqtt.Subscribe(ctx, mqtt.Options{
			Address: h.address, ClientID: fmt.Sprintf("%s-%08x", h.rt.Config.Name, rand.Uint32()),
			// Every replica has to see every device, so the subscription is not shared.
			Filters: []string{telemetry.All(telemetry.Topic)},
		}, h.rt.Log, h.take)
	})
	err := served.Run(ctx)
	group.Wait()
	return err
}

func (h *heartbeat) take(ctx context.Context, message *mqtt.Received) error {
	if delay := h.rt.Flags.Value(flags.QueueProblems); delay > 0 {
		select {
		case <-time.After(time.Duration(delay * float64(time.Second))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	reading, err := telemetry.Parse(message.Payload)
	if err == nil && h.tracker.seen(reading.Device, reading.Zone, time.Now()) {
		h.returns.Inc()
	}
	h.broker.Consumed(telemetry.Topic, h.rt.Config.Name, message.Headers[broker.ProducedAt], err)
	return message.Ack()
}

func (h *heartbeat) watch(ctx context.Context) {
	ticker := time.NewTicker(sweepEach)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			lost := h.tracker.sweep(now)
			h.timeouts.Add(float64(len(lost)))
			for i := range min(len(lost), namedLost) {
				h.rt.Log.Warn("a device is lost", "device", lost[i].Device, "zone", lost[i].Zone, "last_seen", lost[i].LastSeen, "lost_together", len(lost))
			}
			online, known, oldest := h.tracker.counts()
			h.online.Set(float64(online))
			h.known.Set(float64(known))
			if !oldest.IsZero() {
				h.oldest.Set(float64(oldest.UnixMilli()) / 1000)
			}
		}
	}
}

// page is the body of /devices.
type page struct {
	Online  int     `json:"online"`
	Known   int     `json:"known"`
	Devices []State `json:"devices"`
	// Next is the parameter after of the next page, if there is one.
	Next string `json:"next,omitempty"`
}

// devices answers ?after=NAME&limit=N&lost=true.
func (h *heartbeat) devices(w http.ResponseWriter, r *http.Request) {
	query, limit := r.URL.Query(), pageSize
	if text := query.Get("limit"); text != "" {
		parsed, err := strconv.Atoi(text)
		if err != nil || parsed < 1 || parsed > largestPage {
			httpserver.Fail(w, failure.New(http.StatusBadRequest, fmt.Errorf("limit %q is not between 1 and %d", text, largestPage)))
			return
		}
		limit = parsed
	}
	online, known, _ := h.tracker.counts()
	answer := page{online, known, h.tracker.list(query.Get("after"), limit, query.Get("lost") == "true"), ""}
	if len(answer.Devices) == limit {
		answer.Next = answer.Devices[limit-1].Device
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the caller may have hung up
}
