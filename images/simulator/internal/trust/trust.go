// Package trust verifies services that are called with TLS against the root that their authority publishes.
package trust

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"firedrill.dev/simulator/internal/config"
)

const (
	// Authority is the role and the usual name of the service that publishes the root.
	Authority    = "mesh-ca"
	refreshEach  = 15 * time.Second
	retryEach    = time.Second
	fetchTimeout = 5 * time.Second
	answerLimit  = 64 << 10
)

// AuthorityOf is the base URL of the authority of the services that a configuration calls with TLS; empty if it calls
// none so.
func AuthorityOf(service *config.Service) (string, error) {
	secured := false
	for i := range service.Endpoints {
		secured = secured || callsTLS(service.Endpoints[i].Script)
	}
	for i := range service.Consumes {
		secured = secured || callsTLS(service.Consumes[i].Script)
	}
	if !secured {
		return "", nil
	}
	if base, found := service.Calls[Authority]; found {
		return base, nil
	}
	if len(service.Calls) == 1 {
		for _, base := range service.Calls {
			return base, nil
		}
	}
	return "", &config.Error{Field: "calls", Reason: "needs " + Authority + ", as a script calls https"}
}

func callsTLS(steps []config.Step) bool {
	for i := range steps {
		if steps[i].Call != nil && strings.HasPrefix(steps[i].Call.URL, "https:") || callsTLS(steps[i].Parallel) {
			return true
		}
	}
	return false
}

// Roots are the certificates that an authority publishes. They are safe for concurrent use.
type Roots struct {
	url     string
	client  *http.Client
	log     *slog.Logger
	current atomic.Pointer[bundle]
	now     func() time.Time
}

type bundle struct {
	text []byte
	pool *x509.CertPool
}

// NewRoots follows the root of the authority at base, once Run runs.
func NewRoots(base string, log *slog.Logger) *Roots {
	client := &http.Client{Timeout: fetchTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	return &Roots{url: base + "/root.pem", client: client, log: log, now: time.Now}
}

// Run fetches the root, again and again as the authority may be a new one, until ctx is done.
func (r *Roots) Run(ctx context.Context) {
	complaint := ""
	for ctx.Err() == nil {
		wait, text := refreshEach, ""
		if err := r.Refresh(ctx); err != nil {
			text = err.Error()
			if r.current.Load() == nil {
				wait = retryEach
			}
		}
		if text != "" && text != complaint && ctx.Err() == nil {
			r.log.Warn("the root certificate could not be fetched", "error", text)
		}
		complaint = text
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// Refresh fetches the root once.
func (r *Roots) Refresh(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, answerLimit))
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", r.url, response.Status)
	}
	return r.Use(text)
}

// Use trusts the certificates of a text in PEM, and no others.
func (r *Roots) Use(text []byte) error {
	if last := r.current.Load(); last != nil && bytes.Equal(last.text, text) {
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return errors.New("the authority publishes no certificate")
	}
	r.current.Store(&bundle{text, pool})
	r.log.Info("the root certificate changed")
	return nil
}

// Text is the root in PEM; nil before the first.
func (r *Roots) Text() []byte {
	if current := r.current.Load(); current != nil {
		return current.text
	}
	return nil
}

// Client is a configuration that verifies servers against the roots of the moment.
func (r *Roots) Client() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// Not left out but done below: the standard way knows only roots that never change.
		InsecureSkipVerify: true,
		VerifyConnection:   r.verify,
	}
}

var errNoRoots = errors.New("the root certificate is not known yet")

func (r *Roots) verify(state tls.ConnectionState) error {
	current := r.current.Load()
	if current == nil {
		return errNoRoots
	}
	intermediates := x509.NewCertPool()
	for _, certificate := range state.PeerCertificates[1:] {
		intermediates.AddCert(certificate)
	}
	_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
		DNSName: state.ServerName, Roots: current.pool, Intermediates: intermediates, CurrentTime: r.now(),
	})
	if err != nil {
		return fmt.Errorf("certificate of %s: %w", state.ServerName, err)
	}
	return nil
}
