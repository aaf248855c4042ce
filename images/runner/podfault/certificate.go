package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// wrongCertificate shows, for each name that is asked for, a certificate that has exactly one thing wrong beside its
// issuer, which nobody knows: it is over, or it is for another host, or the issuer is all.
func wrongCertificate(kind string) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	issue := func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		return certificate(kind, hello.ServerName, key, time.Now())
	}
	if _, err := certificate(kind, "a.test", key, time.Now()); err != nil {
		return nil, err
	}
	return &tls.Config{GetCertificate: issue}, nil
}

func certificate(kind, host string, key *ecdsa.PrivateKey, now time.Time) (*tls.Certificate, error) {
	begin, end := now.Add(-24*time.Hour), now.Add(24*time.Hour)
	switch kind {
	case "Expired":
		begin, end = now.Add(-48*time.Hour), now.Add(-time.Hour)
	case "WrongHost":
		host = "another-host.invalid"
	case "UntrustedIssuer":
	default:
		return nil, fmt.Errorf("no wrong certificate %q", kind)
	}
	names := []string{}
	if host != "" {
		names = []string{host}
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: host, Organization: []string{"firedrill"}},
		NotBefore:    begin,
		NotAfter:     end,
		DNSNames:     names,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	raw, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, nil
}
