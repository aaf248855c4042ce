// Package httpserver serves a process's HTTP port: /metrics, /healthz, /readyz, and business routes that are measured,
// logged, traced and subject to the request flags.
package httpserver

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/time/rate"

	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/readiness"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/trace"
)

const (
	defaultAddress = ":8080"
	// lameDuck is how long a stopping server still accepts connections: callers learn late that it left.
	lameDuck = time.Second
	// grace is how long requests in flight may take to finish after that.
	grace             = 10 * time.Second
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 16 << 10
)

// ErrKilled as the cause of the end of a server's context ends it at once: connections are closed, requests in flight are lost.
var ErrKilled = errors.New("killed")

// Options of a server.
type Options struct {
	// Address is host:port; empty means :8080.
	Address string
	// Key is the root of the random choices made for requests, by their ordinal.
	Key seeded.Key
	// LogSample is the share of successful requests that are logged, chosen by trace.
	LogSample float64
	Flags     *flags.Set
	Readiness *readiness.Registry
	Registry  *prometheus.Registry
	// Shown is what /metrics shows; nil means what Registry holds.
	Shown  prometheus.Gatherer
	Tracer *trace.Tracer
	Log    *slog.Logger
}

// Server is the HTTP server of a process.
type Server struct {
	Options
	mux      *http.ServeMux
	ordinal  atomic.Uint64
	limiter  *rate.Limiter
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	// requireTLS refuses business requests that come without TLS.
	requireTLS bool
}

// New makes a server; routes are added with Handle before Run.
func New(options Options) *Server {
	server := &Server{
		Options:  options,
		mux:      http.NewServeMux(),
		limiter:  rate.NewLimiter(rate.Inf, 1),
		requests: metrics.Counter(options.Registry, "http_requests_total", "Requests answered.", "route", "code"),
		duration: metrics.Histogram(options.Registry, "http_request_duration_seconds", "Time to answer a request.", metrics.Buckets, "route"),
	}
	var shown prometheus.Gatherer = options.Registry
	if options.Shown != nil {
		shown = options.Shown
	}
	server.mux.Handle("/metrics", promhttp.HandlerFor(shown, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(options.Log.Handler(), slog.LevelError), DisableCompression: true,
	}))
	server.mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{\"alive\":true}\n")) // the prober may have hung up
	})
	server.mux.Handle("/readyz", options.Readiness)
	return server
}

// Handle adds a business route. The pattern is one of http.ServeMux; its path is the value of the label route. The
// request's context carries the trace (trace.From) and the key of its random choices (seeded.From).
func (s *Server) Handle(pattern string, handler http.Handler) {
	route := pattern
	if _, path, found := strings.Cut(pattern, " "); found {
		route = path
	}
	metrics.FromZero(s.requests, metrics.Answered, route)
	s.duration.WithLabelValues(route)
	s.mux.Handle(pattern, s.instrument(route, handler))
}

// RequireTLS makes business routes answer only over TLS, which another listener of the process serves with Handler. It is
// called before Run.
func (s *Server) RequireTLS() { s.requireTLS = true }

// Handler is what the server answers with, for other listeners and for tests.
func (s *Server) Handler() http.Handler { return s.mux }

// Run listens and serves until ctx is done; then it stops being ready, finishes the requests in flight and returns. With
// ErrKilled as the cause it does not wait for them.
func (s *Server) Run(ctx context.Context) error {
	address := s.Address
	if address == "" {
		address = defaultAddress
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return s.Serve(ctx, listener)
}

// Serve is Run on a listener that is open already.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           s.mux,
		ReadHeaderTimeout: readHeaderTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	s.Log.Info("listening", "address", listener.Addr().String())
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.Readiness.Drain()
	if errors.Is(context.Cause(ctx), ErrKilled) {
		return server.Close()
	}
	time.Sleep(lameDuck)
	limited, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := server.Shutdown(limited); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}
