// Package tlsservice is the role tls-service: the role http with its endpoints behind TLS, and a certificate that is
// renewed before it runs out. /metrics and probes stay without TLS on the usual port.
package tlsservice

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/scripted"
	"firedrill.dev/simulator/internal/trust"
)

const (
	defaultAddress    = ":8443"
	readHeaderTimeout = 10 * time.Second
	idleTimeout       = 2 * time.Minute
	grace             = 10 * time.Second
)

func init() { role.Register("tls-service", New) }

type service struct {
	rt      *role.Runtime
	address string
	renewal *renewal
}

// New sets the role up; it gets its first certificate when it runs.
func New(_ context.Context, rt *role.Runtime) (role.Role, error) {
	_, authority, err := rt.Called(trust.Authority)
	if err != nil {
		return nil, err
	}
	s := &service{rt: rt, address: rt.Option("address", defaultAddress)}
	s.renewal = &renewal{
		authority: authority, name: rt.Config.Name, client: &http.Client{Timeout: requestTimeout},
		roots: trust.NewRoots(authority, rt.Log), log: rt.Log, now: time.Now,
		expiry:   metrics.Gauge(rt.Metrics, "certificate_expiry_timestamp_seconds", "When the certificate runs out.").WithLabelValues(),
		outcomes: metrics.Counter(rt.Metrics, "certificate_renewals_total", "Tries to renew the certificate.", "outcome"),
	}
	rt.Readiness.Require("certificate", "certificate", s.renewal.Check)
	rt.HTTP.RequireTLS()
	served, err := scripted.Mount(rt)
	if err != nil {
		return nil, err
	}
	return role.Func(func(ctx context.Context) error { return s.run(ctx, served) }), nil
}

func (s *service) run(ctx context.Context, served role.Role) error {
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		return err
	}
	s.rt.Log.Info("listening with TLS", "address", listener.Addr().String())
	var group sync.WaitGroup
	var secured error
	group.Go(func() { s.renewal.roots.Run(ctx) })
	group.Go(func() { s.renewal.Run(ctx) })
	group.Go(func() { secured = s.serve(ctx, listener) })
	err = served.Run(ctx)
	group.Wait()
	return errors.Join(err, secured)
}

type acceptedKey struct{}

func (s *service) serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:   s.limit(s.rt.HTTP.Handler()),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: s.certificate},
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, acceptedKey{}, s.renewal.now())
		},
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1, as without TLS
		ReadHeaderTimeout: readHeaderTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(s.rt.Log.Handler(), slog.LevelWarn),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ServeTLS(listener, "", "") }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	limited, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	return server.Shutdown(limited)
}

func (s *service) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	current := s.renewal.current.Load()
	if current == nil {
		return nil, errNone
	}
	return &current.certificate, nil
}

// limit ends connections after the request in hand whose certificate was replaced or ran out: callers verify only when
// they connect, and with connections that live for ever no one would see a certificate expire.
func (s *service) limit(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		accepted, _ := r.Context().Value(acceptedKey{}).(time.Time)
		if current := s.renewal.current.Load(); current != nil && (current.expired(s.renewal.now()) || accepted.Before(current.since)) {
			w.Header().Set("Connection", "close")
		}
		handler.ServeHTTP(w, r)
	})
}
