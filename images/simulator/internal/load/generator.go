package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/failure"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/payment"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/trace"
)

// Codes of requests that got no status, beside metrics.Unanswered.
const (
	droppedCode = "dropped"
	invalidCode = "invalid"
)

// Outcomes of requests that were sent, of load_request_duration_seconds.
const (
	answered   = "answered"
	unanswered = "unanswered"
)

const (
	defaultTimeout     = 5 * time.Second
	defaultMaxInFlight = 500
	idlePerHost        = 64
	idleTimeout        = 30 * time.Second
	rateTick           = time.Second
	bodyLimit          = 4 << 20
)

type generator struct {
	configuration *config.Load
	key           seeded.Key
	timeout       time.Duration
	flags         *flags.Set
	log           *slog.Logger
	http          *http.Client
	slots         chan struct{}
	inFlight      sync.WaitGroup
	weights       float64

	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	target   prometheus.Gauge
	dropped  prometheus.Counter
}

func newGenerator(configuration *config.Load, set *flags.Set, registry prometheus.Registerer, log *slog.Logger) *generator {
	limit, timeout := configuration.MaxInFlight, configuration.Timeout.Duration()
	if limit == 0 {
		limit = defaultMaxInFlight
	}
	if timeout == 0 {
		timeout = defaultTimeout
	}
	g := &generator{
		configuration: configuration, key: seeded.NewKey(configuration.Seed, configuration.Name), timeout: timeout,
		flags: set, log: log, slots: make(chan struct{}, limit),
		http: &http.Client{Timeout: timeout, Transport: &http.Transport{
			DialContext:         (&net.Dialer{}).DialContext,
			MaxIdleConnsPerHost: idlePerHost, IdleConnTimeout: idleTimeout,
		}},
		requests: metrics.Counter(registry, "load_requests_total", "Requests that were due; dropped are those not sent because too many were in flight.", "entry", "code"),
		duration: metrics.Histogram(registry, "load_request_duration_seconds",
			"Time from the moment a request was due to its answer, or until none was expected any more.", metrics.Buckets, "entry", "outcome"),
		target:  prometheus.NewGauge(prometheus.GaugeOpts{Name: "load_target_rate", Help: "Requests a second that are due now."}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Name: "load_dropped_total", Help: "Requests not sent: too many were in flight."}),
	}
	registry.MustRegister(g.target, g.dropped)
	for _, entry := range configuration.Entries {
		g.weights += entry.Weight
		metrics.FromZero(g.requests, slices.Concat(metrics.Answered, metrics.Unanswered, []string{droppedCode}), entry.Name)
		g.duration.WithLabelValues(entry.Name, answered)
		g.duration.WithLabelValues(entry.Name, unanswered)
	}
	return g
}

// run sends requests until ctx is done and waits for the answers to those in flight.
func (g *generator) run(ctx context.Context) {
	started := time.Now()
	var parts sync.WaitGroup
	parts.Go(func() { g.showRate(ctx, started) })
	parts.Go(func() { g.scheduled(ctx, started) })
	parts.Go(func() {
		floods := uint64(0)
		g.flags.While(ctx, flags.FloodEntry, func(ctx context.Context, factor float64) {
			floods++
			g.flood(ctx, factor, g.key.Child(floodStream).Child(floods))
		})
	})
	parts.Wait()
	g.inFlight.Wait()
	g.http.CloseIdleConnections()
}

// scheduled sends what the seed has decided. A flood factor below 1 thins it out.
func (g *generator) scheduled(ctx context.Context, started time.Time) {
	plan := newSchedule(g.configuration, g.key)
	for ordinal := uint64(0); ; ordinal++ {
		due := started.Add(time.Duration(plan.next() * float64(time.Second)))
		if !sleepUntil(ctx, due) {
			return
		}
		key := g.key.Child(requestStream).Child(ordinal)
		if factor := g.flags.Value(flags.FloodEntry); factor > 0 && factor < 1 && !key.Child(floodStream).Chance(factor) {
			continue
		}
		g.start(due, key)
	}
}

// flood sends what a factor adds, beside the schedule and without moving it.
func (g *generator) flood(ctx context.Context, factor float64, key seeded.Key) {
	if factor <= 1 {
		<-ctx.Done()
		return
	}
	random, due := key.Rand(), time.Now()
	for ordinal := uint64(0); ; ordinal++ {
		due = due.Add(time.Duration(random.ExpFloat64() / (g.configuration.Rate * (factor - 1)) * float64(time.Second)))
		if !sleepUntil(ctx, due) {
			return
		}
		g.start(due, key.Child(floodRequestStream).Child(ordinal))
	}
}

func (g *generator) start(due time.Time, key seeded.Key) {
	entry := g.pick(key.Child(entryPart))
	select {
	case g.slots <- struct{}{}:
	default:
		g.dropped.Inc()
		g.requests.WithLabelValues(entry.Name, droppedCode).Inc()
		return
	}
	g.inFlight.Go(func() {
		defer func() { <-g.slots }()
		g.send(due, entry, key)
	})
}

// pick draws an entry by weight.
func (g *generator) pick(key seeded.Key) *config.Entry {
	point := key.Uniform() * g.weights
	for i := range g.configuration.Entries {
		entry := &g.configuration.Entries[i]
		if point < entry.Weight {
			return entry
		}
		point -= entry.Weight
	}
	return &g.configuration.Entries[len(g.configuration.Entries)-1]
}

const (
	entryPart = iota
	bodyPart
)

func (g *generator) send(due time.Time, entry *config.Entry, key seeded.Key) {
	span := trace.NewContext()
	code, err := g.exchange(entry, key.Child(bodyPart), span)
	elapsed := time.Since(due)
	g.requests.WithLabelValues(entry.Name, code).Inc()
	outcome := answered
	if code == invalidCode || slices.Contains(metrics.Unanswered, code) {
		outcome = unanswered
	}
	g.duration.WithLabelValues(entry.Name, outcome).Observe(elapsed.Seconds())
	if err != nil {
		g.log.Error("a request failed", "trace_id", span.TraceHex(), "span_id", span.SpanHex(), "route", entry.Name,
			"status", code, "duration_ms", float64(elapsed.Microseconds())/1000, "error", err.Error())
	}
}

func (g *generator) exchange(entry *config.Entry, key seeded.Key, span trace.Context) (code string, err error) {
	method, body := entry.Method, []byte(nil)
	if entry.Body == config.PaymentBody {
		if body, err = json.Marshal(payment.New(key)); err != nil {
			return invalidCode, err
		}
	}
	if method == "" {
		method = http.MethodGet
		if body != nil {
			method = http.MethodPost
		}
	}
	request, err := http.NewRequest(method, entry.URL, bytes.NewReader(body))
	if err != nil {
		return invalidCode, err
	}
	request.Header.Set(trace.Header, span.String())
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := g.http.Do(request)
	if err == nil {
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, io.LimitReader(response.Body, bodyLimit))
	}
	switch {
	case err != nil && failure.IsTimeout(err):
		return "timeout", err
	case err != nil:
		return "unreachable", err
	case response.StatusCode >= http.StatusInternalServerError:
		err = fmt.Errorf("the answer was %s", response.Status)
	}
	return strconv.Itoa(response.StatusCode), err
}

func (g *generator) showRate(ctx context.Context, started time.Time) {
	plan := newSchedule(g.configuration, g.key)
	ticker := time.NewTicker(rateTick)
	defer ticker.Stop()
	for {
		due := plan.at(time.Since(started).Seconds())
		if factor := g.flags.Value(flags.FloodEntry); factor > 1 {
			due += g.configuration.Rate * (factor - 1)
		} else if factor > 0 {
			due *= factor
		}
		g.target.Set(due)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func sleepUntil(ctx context.Context, moment time.Time) bool {
	timer := time.NewTimer(time.Until(moment))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
