package tlsservice

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/trust"
)

const (
	requestTimeout = 5 * time.Second
	retryAfter     = 5 * time.Second
	lookEach       = 5 * time.Second
	answerLimit    = 64 << 10
)

// held is a certificate in use.
type held struct {
	certificate tls.Certificate
	leaf        *x509.Certificate
	// root is that of the authority when it was issued.
	root []byte
	// since is when it came into use.
	since time.Time
}

// due tells whether it is time for another: two thirds of its life are over, or the authority is another one.
func (h *held) due(now time.Time, root []byte) bool {
	life := h.leaf.NotAfter.Sub(h.leaf.NotBefore)
	return !now.Before(h.leaf.NotBefore.Add(life*2/3)) || (root != nil && !bytes.Equal(h.root, root))
}

func (h *held) expired(now time.Time) bool { return now.After(h.leaf.NotAfter) }

// renewal keeps a certificate for a name, as long as the authority issues any.
type renewal struct {
	authority string
	name      string
	client    *http.Client
	roots     *trust.Roots
	log       *slog.Logger
	now       func() time.Time
	current   atomic.Pointer[held]
	expiry    prometheus.Gauge
	outcomes  *prometheus.CounterVec
}

var errNone = errors.New("no certificate was issued yet")

// Check tells whether there is a certificate, be it expired: a service cannot help that its authority stopped.
func (r *renewal) Check(context.Context) error {
	if r.current.Load() == nil {
		return errNone
	}
	return nil
}

// Run renews in time until ctx is done.
func (r *renewal) Run(ctx context.Context) {
	for ctx.Err() == nil {
		wait := lookEach
		if current := r.current.Load(); current == nil || current.due(r.now(), r.roots.Text()) {
			if err := r.renew(ctx); err != nil && ctx.Err() == nil {
				r.outcomes.WithLabelValues("error").Inc()
				r.log.Error("the certificate could not be renewed", "error", err.Error(), "expired", current != nil && current.expired(r.now()))
				wait = retryAfter
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// renew makes a new key and has it certified.
func (r *renewal) renew(ctx context.Context) error {
	if err := r.roots.Refresh(ctx); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{r.name}}, key)
	if err != nil {
		return err
	}
	chain, err := r.ask(ctx, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}))
	if err != nil {
		return err
	}
	certificate, err := assemble(chain, key)
	if err != nil {
		return err
	}
	next := &held{certificate, certificate.Leaf, r.roots.Text(), r.now()}
	r.current.Store(next)
	r.expiry.Set(float64(next.leaf.NotAfter.Unix()))
	r.outcomes.WithLabelValues("ok").Inc()
	r.log.Info("the certificate was renewed", "serial", next.leaf.SerialNumber.Text(16), "until", next.leaf.NotAfter)
	return nil
}

func (r *renewal) ask(ctx context.Context, request []byte) (chain []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, r.authority+"/certificates", bytes.NewReader(request))
	if err != nil {
		return nil, err
	}
	response, err := r.client.Do(post)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, answerLimit))
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the authority answered %d: %.200s", response.StatusCode, bytes.TrimSpace(answer))
	}
	return answer, nil
}

func assemble(chain []byte, key *ecdsa.PrivateKey) (tls.Certificate, error) {
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}
