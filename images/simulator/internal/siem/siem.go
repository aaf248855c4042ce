// Package siem is the role siem: it counts the audit events of services by their metrics, and raises compliance alerts.
package siem

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/peer"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/scripted"
)

const (
	defaultInterval  = 5 * time.Second
	defaultThreshold = 200
	fetchTimeout     = 4 * time.Second
	answerLimit      = 4 << 20
	eventsMetric     = "audit_events_total"
	kindLabel        = "kind"
)

func init() { role.Register("siem", New) }

type siem struct {
	rt        *role.Runtime
	client    *http.Client
	interval  time.Duration
	threshold float64

	events *prometheus.CounterVec
	alerts *prometheus.CounterVec
	rate   prometheus.Gauge
}

// New sets the role up; the endpoints of the configuration are served beside it.
func New(_ context.Context, rt *role.Runtime) (role.Role, error) {
	s := &siem{rt: rt, client: &http.Client{Timeout: fetchTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}}
	if len(rt.Config.Calls) == 0 {
		return nil, &config.Error{Field: "calls", Reason: "needs the services to watch"}
	}
	var err error
	if s.interval, err = rt.Seconds("interval", defaultInterval); err != nil {
		return nil, err
	}
	if s.threshold, err = rt.Number("threshold", defaultThreshold, 0); err != nil {
		return nil, err
	}
	s.events = metrics.Counter(rt.Metrics, "siem_audit_events_total", "Audit events of the watched services.", kindLabel)
	s.alerts = metrics.Counter(rt.Metrics, "compliance_alerts_total", "Compliance alerts raised.", "rule")
	s.rate = metrics.Gauge(rt.Metrics, "siem_audit_events_per_second", "Audit events a second between the last two readings.").WithLabelValues()
	served, err := scripted.Mount(rt)
	if err != nil {
		return nil, err
	}
	return role.Func(func(ctx context.Context) error {
		var group sync.WaitGroup
		group.Go(func() { s.watch(ctx) })
		err := served.Run(ctx)
		group.Wait()
		return err
	}), nil
}

func (s *siem) watch(ctx context.Context) {
	ticker := time.NewTicker(s.interval)
	defer ticker.Stop()
	var last reading
	for {
		next := s.read(ctx)
		if ctx.Err() != nil {
			return
		}
		s.note(compare(last, next, s.threshold))
		last = next
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *siem) note(found finding) {
	s.rate.Set(found.perSecond)
	for kind, count := range found.events {
		s.events.WithLabelValues(kind).Add(count)
	}
	for rule, count := range found.alerts {
		s.alerts.WithLabelValues(rule).Add(count)
		s.rt.Log.Warn("compliance alert", "rule", rule, "count", count, "audit_events_per_second", found.perSecond)
	}
}

// read asks all services at the same time.
func (s *siem) read(ctx context.Context) reading {
	result := reading{time.Now(), map[string]counts{}}
	var mutex sync.Mutex
	var group sync.WaitGroup
	for service, base := range s.rt.Config.Calls {
		group.Go(func() {
			found, err := s.fetch(ctx, base+"/metrics")
			s.rt.Readiness.Observe(service, peer.Kind, err)
			if err != nil && ctx.Err() == nil {
				s.rt.Log.Warn("a service does not tell its audit events", "peer", service, "error", err.Error())
			}
			mutex.Lock()
			defer mutex.Unlock()
			result.services[service] = found
		})
	}
	group.Wait()
	return result
}

func (s *siem) fetch(ctx context.Context, url string) (counts, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	found, err := parse(io.LimitReader(response.Body, answerLimit))
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, response.Status)
	}
	return found, nil
}

// parse sums audit_events_total by kind; it is empty, not nil, if there are none.
func parse(text io.Reader) (counts, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return nil, err
	}
	found := counts{}
	for _, metric := range families[eventsMetric].GetMetric() {
		for _, label := range metric.GetLabel() {
			if label.GetName() == kindLabel {
				found[label.GetValue()] += metric.GetCounter().GetValue()
			}
		}
	}
	return found, nil
}
