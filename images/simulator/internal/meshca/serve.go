// Package meshca is the role mesh-ca: it issues short-lived certificates to services, as the authority of a mesh does.
package meshca

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/failure"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/httpserver"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/scripted"
)

const (
	defaultLifetime = 10 * time.Minute
	largestRequest  = 16 << 10
	contentType     = "application/x-pem-file"
)

func init() { role.Register("mesh-ca", New) }

type server struct {
	rt        *role.Runtime
	authority *authority
	issued    *prometheus.CounterVec
}

// New makes a new chain and sets the role up; the endpoints of the configuration are served beside it.
func New(_ context.Context, rt *role.Runtime) (role.Role, error) {
	lifetime, err := rt.Seconds("lifetime", defaultLifetime)
	if err != nil {
		return nil, err
	}
	s := &server{rt: rt, issued: metrics.Counter(rt.Metrics, "certificates_issued_total", "Requests for certificates.", "outcome")}
	if s.authority, err = newAuthority(rt.Config.Name, lifetime, time.Now); err != nil {
		return nil, err
	}
	rt.HTTP.Handle("GET /root.pem", http.HandlerFunc(s.root))
	rt.HTTP.Handle("POST /certificates", http.HandlerFunc(s.issue))
	return scripted.Mount(rt)
}

func (s *server) root(w http.ResponseWriter, _ *http.Request) { write(w, encode(s.authority.root)) }

var errFlag = errors.New("no certificates are issued")

func (s *server) issue(w http.ResponseWriter, r *http.Request) {
	if s.rt.Flags.On(flags.ExpiredCertificate) {
		s.issued.WithLabelValues("refused").Inc()
		httpserver.Fail(w, failure.New(http.StatusServiceUnavailable, errFlag))
		return
	}
	request, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestRequest))
	if err != nil {
		httpserver.Fail(w, failure.New(http.StatusBadRequest, err))
		return
	}
	chain, leaf, err := s.authority.issue(request)
	if err != nil {
		s.issued.WithLabelValues("invalid").Inc()
		httpserver.Fail(w, failure.New(http.StatusBadRequest, err))
		return
	}
	s.issued.WithLabelValues("ok").Inc()
	s.rt.Log.Info("a certificate was issued", "names", leaf.DNSNames, "serial", leaf.SerialNumber.Text(16), "until", leaf.NotAfter)
	write(w, chain)
}

func write(w http.ResponseWriter, text []byte) {
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(text) // the caller may have hung up
}
