// Package fhirload is the role fhir-load: it writes synthetic patients and observations, and reads them back.
package fhirload

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/peer"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/trace"
)

const (
	workers        = 8
	requestTimeout = 10 * time.Second
	retryFirst     = time.Second
	retryLast      = 15 * time.Second
	answerLimit    = 1 << 20
	contentType    = "application/fhir+json"
)

// Outcomes of reading a resource back.
const (
	same      = "same"
	different = "different"
	missing   = "missing"
	failed    = "error"
)

func init() { role.Register("fhir-load", New) }

type loader struct {
	rt      *role.Runtime
	service string
	base    string
	client  *http.Client
	limiter *rate.Limiter
	total   uint64

	written  *prometheus.CounterVec
	read     *prometheus.CounterVec
	progress prometheus.Gauge
	answers  *prometheus.CounterVec
}

// New sets the role up.
func New(_ context.Context, rt *role.Runtime) (role.Role, error) {
	l := &loader{rt: rt, client: &http.Client{Timeout: requestTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: workers}}}
	var err error
	if l.service, l.base, err = rt.Called("fhir"); err != nil {
		return nil, err
	}
	perSecond, err := rt.Number("rate", 5, 1e-3)
	if err != nil {
		return nil, err
	}
	total, err := rt.Number("total", 0, 0)
	if err != nil {
		return nil, err
	}
	l.limiter, l.total = rate.NewLimiter(rate.Limit(perSecond), 1), uint64(total)
	l.written = metrics.Counter(rt.Metrics, "fhir_resources_written_total", "Resources written.", "type")
	l.read = metrics.Counter(rt.Metrics, "fhir_resources_read_total", "Resources read back, by whether they are what was written.", "outcome")
	l.answers = metrics.Counter(rt.Metrics, "fhir_load_requests_total", "Requests made.", "method", "code")
	l.progress = metrics.Gauge(rt.Metrics, "fhir_load_resources_wanted", "Resources to write in all; 0 without an end.").WithLabelValues()
	l.progress.Set(float64(l.total))
	return l, nil
}

// Run writes and reads until all is done, and then only waits for ctx.
func (l *loader) Run(ctx context.Context) error {
	ordinals := make(chan uint64)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for n := range ordinals {
				l.persist(ctx, newRecord(l.rt.Key, n))
			}
		})
	}
	for n := uint64(0); (l.total == 0 || n < l.total) && l.limiter.Wait(ctx) == nil; n++ {
		ordinals <- n
	}
	close(ordinals)
	group.Wait()
	if ctx.Err() == nil {
		l.rt.Log.Info("all resources are written", "resources", l.total)
	}
	<-ctx.Done()
	return nil
}

// persist writes a resource, again and again until the server has it, and reads it back.
func (l *loader) persist(ctx context.Context, r record) {
	wait := retryFirst
	for {
		err := l.put(ctx, r)
		if err == nil {
			break
		}
		l.rt.Log.Warn("a resource could not be written and is tried again", "type", r.kind, "id", r.id, "error", err.Error())
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, retryLast)
	}
	l.written.WithLabelValues(r.kind).Inc()
	outcome, err := l.compare(ctx, r)
	if ctx.Err() != nil {
		return
	}
	l.read.WithLabelValues(outcome).Inc()
	if outcome != same {
		l.rt.Log.Error("a resource was not read back as written", "type", r.kind, "id", r.id, "outcome", outcome, "error", fmt.Sprint(err))
	}
}

func (l *loader) put(ctx context.Context, r record) error {
	body, err := json.Marshal(r.body)
	if err != nil {
		return err
	}
	code, answer, err := l.exchange(ctx, http.MethodPut, r, body)
	if err == nil && code != http.StatusOK && code != http.StatusCreated {
		err = fmt.Errorf("%s answered %d: %.200s", l.service, code, answer)
	}
	return err
}

func (l *loader) compare(ctx context.Context, r record) (outcome string, err error) {
	code, answer, err := l.exchange(ctx, http.MethodGet, r, nil)
	switch {
	case err != nil:
		return failed, err
	case code == http.StatusNotFound || code == http.StatusGone:
		return missing, nil
	case code != http.StatusOK:
		return failed, fmt.Errorf("%s answered %d: %.200s", l.service, code, answer)
	}
	var found object
	if err := json.Unmarshal(answer, &found); err != nil {
		return different, err
	}
	delete(found, "meta")
	if !reflect.DeepEqual(found, r.body) {
		return different, nil
	}
	return same, nil
}

func (l *loader) exchange(ctx context.Context, method string, r record, body []byte) (code int, answer []byte, err error) {
	ctx, span := l.rt.Tracer.Start(ctx, method+" "+r.kind, trace.Client)
	defer func() {
		span.End(err)
		l.rt.Readiness.Observe(l.service, peer.Kind, err)
		label := strconv.Itoa(code)
		if err != nil {
			label = "unreachable"
		}
		l.answers.WithLabelValues(method, label).Inc()
	}()
	request, err := http.NewRequestWithContext(ctx, method, l.base+"/fhir/"+r.kind+"/"+r.id, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set(trace.Header, span.String())
	if body != nil {
		request.Header.Set("Content-Type", contentType)
	}
	response, err := l.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	answer, err = io.ReadAll(io.LimitReader(response.Body, answerLimit))
	return response.StatusCode, answer, errors.Join(err, response.Body.Close())
}
