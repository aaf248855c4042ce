// Package peer calls other services over HTTP.
package peer

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/failure"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/payload"
	"firedrill.dev/simulator/internal/readiness"
	"firedrill.dev/simulator/internal/trace"
)

const (
	defaultTimeout = 5 * time.Second
	idleTimeout    = 60 * time.Second
	idlePerHost    = 8
	bodyLimit      = 4 << 20
)

// Kind is the kind under which called services are reported at /readyz.
const Kind = "service"

// Client calls other services. It is safe for concurrent use.
type Client struct {
	http      *http.Client
	transport *http.Transport
	tracer    *trace.Tracer
	readiness *readiness.Registry
	requests  *prometheus.CounterVec
	duration  *prometheus.HistogramVec
}

// New makes a client.
func New(registry prometheus.Registerer, ready *readiness.Registry, tracer *trace.Tracer) *Client {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{KeepAlive: idleTimeout}).DialContext,
		MaxIdleConnsPerHost: idlePerHost,
		IdleConnTimeout:     idleTimeout,
	}
	return &Client{
		http:      &http.Client{Transport: transport},
		transport: transport,
		tracer:    tracer,
		readiness: ready,
		requests:  metrics.Counter(registry, "http_client_requests_total", "Requests made to other services, by attempt.", "peer", "route", "code"),
		duration:  metrics.Histogram(registry, "http_client_request_duration_seconds", "Time until another service answered, by attempt.", metrics.Buckets, "peer"),
	}
}

// Announce says that a call will be made, so that its first failures show as an increase.
func (c *Client) Announce(call *config.Call) {
	metrics.FromZero(c.requests, slices.Concat(metrics.Answered, metrics.Unanswered), call.Service, route(call))
}

// route is the path of a call's URL, which the peer's own metrics call so too.
func route(call *config.Call) string {
	parsed, err := url.Parse(call.URL)
	if err != nil {
		return "" // the call itself fails for it, and says so
	}
	return parsed.Path
}

// Call makes the call with the payload of ctx (POST if there is one, else GET) and repeats it as often as it says. The
// error is the last attempt's: 504 if time ran out, 503 if the peer could not be reached, 502 if it answered with 400 or more.
func (c *Client) Call(ctx context.Context, call *config.Call) error {
	var err error
	for attempt := 0; attempt <= call.Retries && ctx.Err() == nil; attempt++ {
		if err = c.attempt(ctx, call); err == nil {
			break
		}
	}
	if err == nil {
		err = ctx.Err()
	}
	var failed *failure.Error
	if err != nil && !errors.As(err, &failed) {
		err = failure.Unavailable(err)
	}
	c.readiness.Observe(call.Service, Kind, err)
	return err
}

func (c *Client) attempt(ctx context.Context, call *config.Call) error {
	timeout := call.Timeout.Duration()
	if timeout == 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ctx, span := c.tracer.Start(ctx, "call "+call.Service, trace.Client)
	started := time.Now()
	code, err := c.exchange(ctx, call)
	c.requests.WithLabelValues(call.Service, route(call), code).Inc()
	c.duration.WithLabelValues(call.Service).Observe(time.Since(started).Seconds())
	span.Set("peer.service", call.Service)
	span.End(err)
	return err
}

func (c *Client) exchange(ctx context.Context, call *config.Call) (code string, err error) {
	method, body := http.MethodGet, payload.From(ctx).Raw
	if len(body) > 0 {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, call.URL, bytes.NewReader(body))
	if err != nil {
		return "invalid", err
	}
	request.Header.Set(trace.Header, trace.From(ctx).String())
	if len(body) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err == nil {
		defer response.Body.Close()
		_, err = io.Copy(io.Discard, io.LimitReader(response.Body, bodyLimit))
	}
	switch {
	case err != nil && failure.IsTimeout(err):
		return "timeout", fmt.Errorf("%s: no answer in time: %w", call.Service, err)
	case err != nil:
		return "unreachable", fmt.Errorf("%s: %w", call.Service, err)
	case response.StatusCode >= http.StatusBadRequest:
		return strconv.Itoa(response.StatusCode),
			failure.New(http.StatusBadGateway, fmt.Errorf("%s answered %d", call.Service, response.StatusCode))
	}
	return strconv.Itoa(response.StatusCode), nil
}

// SetTLS says how services with TLS are verified. It is called before the first call.
func (c *Client) SetTLS(verifying *tls.Config) { c.transport.TLSClientConfig = verifying }

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }
