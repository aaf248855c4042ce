package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"firedrill.dev/simulator/internal/config"
)

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func selfSigned(t *testing.T, name string) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: begin, NotAfter: begin.Add(time.Minute),
		IsCA: true, BasicConstraintsValid: true,
	}
	encoded, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestWhomCallersTrust(t *testing.T) {
	known, stranger := selfSigned(t, "orders"), selfSigned(t, "orders")
	for name, c := range map[string]struct {
		shown *x509.Certificate
		host  string
		after time.Duration
		want  string
	}{
		"a known authority":   {known, "orders", time.Second, ""},
		"another name":        {known, "payments", time.Second, "payments"},
		"too late":            {known, "orders", time.Hour, "expired"},
		"an unknown one":      {stranger, "orders", time.Second, "unknown authority"},
		"before it was valid": {known, "orders", -time.Hour, "not yet valid"},
	} {
		t.Run(name, func(t *testing.T) {
			roots := NewRoots("http://authority", slog.New(slog.DiscardHandler))
			roots.now = func() time.Time { return begin.Add(c.after) }
			if err := roots.Use(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: known.Raw})); err != nil {
				t.Fatal(err)
			}
			err := roots.Client().VerifyConnection(tls.ConnectionState{ServerName: c.host, PeerCertificates: []*x509.Certificate{c.shown}})
			if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestNobodyIsTrustedBeforeTheRootIsKnown(t *testing.T) {
	roots := NewRoots("http://authority", slog.New(slog.DiscardHandler))
	state := tls.ConnectionState{ServerName: "orders", PeerCertificates: []*x509.Certificate{selfSigned(t, "orders")}}
	if err := roots.Client().VerifyConnection(state); !errors.Is(err, errNoRoots) {
		t.Error(err)
	}
}

func TestWhichAuthorityACallerNeeds(t *testing.T) {
	secured := []config.Step{{Parallel: []config.Step{{Call: &config.Call{Service: "p", URL: "https://p:8443/x"}}}}}
	plain := []config.Step{{Call: &config.Call{Service: "p", URL: "http://p:8080/x"}}}
	for name, c := range map[string]struct {
		script  []config.Step
		calls   map[string]string
		want    string
		refused bool
	}{
		"no TLS":            {plain, nil, "", false},
		"the only call":     {secured, map[string]string{"ca": "http://ca"}, "http://ca", false},
		"by its usual name": {secured, map[string]string{"mesh-ca": "http://ca", "fhir": "http://f"}, "http://ca", false},
		"none":              {secured, nil, "", true},
		"not clear which":   {secured, map[string]string{"a": "http://a", "b": "http://b"}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := AuthorityOf(&config.Service{Endpoints: []config.Endpoint{{Script: c.script}}, Calls: c.calls})
			if got != c.want || (err != nil) != c.refused {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
