package meshca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

const (
	rootLifetime         = 10 * 365 * 24 * time.Hour
	intermediateLifetime = 365 * 24 * time.Hour
	// backdate lets a certificate be valid on machines whose clocks are a little behind.
	backdate  = 5 * time.Second
	mostNames = 8
)

// authority issues certificates of services from a chain: root, intermediate, leaf.
type authority struct {
	root, intermediate *x509.Certificate
	key                *ecdsa.PrivateKey
	lifetime           time.Duration
	now                func() time.Time
}

// newAuthority makes the root and the intermediate; the root's key is forgotten at once, as no other is ever signed.
func newAuthority(name string, lifetime time.Duration, now func() time.Time) (*authority, error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &authority{lifetime: lifetime, now: now}
	template := authorityTemplate(name+" root", now(), rootLifetime, 1)
	if a.root, err = sign(template, template, &rootKey.PublicKey, rootKey); err != nil {
		return nil, err
	}
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	template = authorityTemplate(name+" intermediate", now(), intermediateLifetime, 0)
	a.intermediate, err = sign(template, a.root, &a.key.PublicKey, rootKey)
	return a, err
}

func authorityTemplate(name string, now time.Time, lifetime time.Duration, below int) *x509.Certificate {
	return &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-backdate), NotAfter: now.Add(lifetime),
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: below, MaxPathLenZero: below == 0,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func sign(template, parent *x509.Certificate, public *ecdsa.PublicKey, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	encoded, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(encoded)
}

// issue gives the chain for a certificate request in PEM: the leaf, then the intermediate.
func (a *authority) issue(request []byte) (chain []byte, leaf *x509.Certificate, err error) {
	block, _ := pem.Decode(request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, nil, errors.New("the body is not a certificate request in PEM")
	}
	asked, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, nil, err
	}
	if err := asked.CheckSignature(); err != nil {
		return nil, nil, err
	}
	public, ok := asked.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, nil, errors.New("the key is not one of ECDSA")
	}
	if len(asked.DNSNames) == 0 || len(asked.DNSNames) > mostNames {
		return nil, nil, fmt.Errorf("%d DNS names are asked for, not 1 to %d", len(asked.DNSNames), mostNames)
	}
	now := a.now()
	leaf, err = sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: asked.DNSNames[0]}, DNSNames: asked.DNSNames,
		NotBefore: now.Add(-backdate), NotAfter: now.Add(a.lifetime),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.intermediate, public, a.key)
	if err != nil {
		return nil, nil, err
	}
	return append(encode(leaf), encode(a.intermediate)...), leaf, nil
}

func encode(certificate *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
}
