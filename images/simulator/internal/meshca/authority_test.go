package meshca

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"
)

func request(t *testing.T, key any, names ...string) []byte {
	t.Helper()
	encoded, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: names}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: encoded})
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestACertificateIsGoodForItsNameAndItsLife(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	made, err := newAuthority("ca", time.Minute, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	chain, leaf, err := made.issue(request(t, newKey(t), "orders"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest := pem.Decode(chain)
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	if !roots.AppendCertsFromPEM(encode(made.root)) || !between.AppendCertsFromPEM(rest) {
		t.Fatal("the chain is not of PEM")
	}
	for name, c := range map[string]struct {
		host  string
		after time.Duration
		want  string
	}{
		"at once":         {"orders", 0, ""},
		"at its end":      {"orders", time.Minute, ""},
		"after its end":   {"orders", time.Minute + time.Second, "expired"},
		"for another one": {"payments", 0, "not payments"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := leaf.Verify(x509.VerifyOptions{DNSName: c.host, Roots: roots, Intermediates: between, CurrentTime: now.Add(c.after)})
			if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "orders", Roots: roots, CurrentTime: now}); err == nil {
		t.Error("the root signs leaves itself: the chain has no intermediate")
	}
}

func TestWhichRequestsAreRefused(t *testing.T) {
	made, err := newAuthority("ca", time.Minute, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := newKey(t)
	for name, text := range map[string][]byte{
		"no PEM":         []byte("hello"),
		"no name":        request(t, key),
		"too many names": request(t, key, strings.Split("a b c d e f g h i", " ")...),
		"another key":    request(t, edwards, "orders"),
		"cut off":        pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: []byte{1, 2, 3}}),
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := made.issue(text); err == nil {
				t.Error("a certificate was issued")
			}
		})
	}
}
