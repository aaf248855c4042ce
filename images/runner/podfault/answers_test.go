package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func query(name string, kind uint16) []byte {
	message := []byte{0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1}
	for label := range strings.SplitSeq(name, ".") {
		message = append(append(message, byte(len(label))), label...)
	}
	message = append(message, 0)
	message = binary.BigEndian.AppendUint16(message, kind)
	return append(binary.BigEndian.AppendUint16(message, 1), 0, 0, 41)
}

func TestListedNamesGetWrongAnswers(t *testing.T) {
	for _, row := range []struct {
		value   string
		kind    uint16
		code    uint16
		address string
	}{
		{"192.0.2.7", typeA, 0, "192.0.2.7"},
		{"192.0.2.7", typeAAAA, 0, ""},
		{"2001:db8::7", typeAAAA, 0, "2001:db8::7"},
		{"2001:db8::7", typeA, 0, ""},
		{"", typeA, nameError, ""},
		{"", typeAAAA, nameError, ""},
	} {
		asked := query("Ledger.shop", row.kind)
		name, kind, end, err := question(asked)
		if err != nil || name != "ledger.shop" || kind != row.kind {
			t.Fatalf("%s %d %v", name, kind, err)
		}
		reply := wrongAnswer(asked, kind, end, row.value)
		flags, count := binary.BigEndian.Uint16(reply[2:]), binary.BigEndian.Uint16(reply[6:])
		if !bytes.Equal(reply[:2], asked[:2]) || flags&0x8000 == 0 || flags&0xf != row.code {
			t.Errorf("%+v: %x", row, reply[:headerBytes])
		}
		if (count == 1) != (row.address != "") {
			t.Fatalf("%+v: %d answers", row, count)
		}
		if row.address != "" {
			wanted := netip.MustParseAddr(row.address).AsSlice()
			if !bytes.HasSuffix(reply, wanted) {
				t.Errorf("%+v: %x", row, reply)
			}
		}
	}
}

func FuzzQuestions(f *testing.F) {
	f.Add(query("a.b", typeA))
	f.Add([]byte{0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, message []byte) {
		_, kind, end, err := question(message)
		if err == nil {
			wrongAnswer(message, kind, end, "192.0.2.1")
		}
	})
}

func TestCertificatesAreWrongInTheirOwnWay(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	moment := time.Now()
	for kind, expired := range map[string]bool{"Expired": true, "WrongHost": false, "UntrustedIssuer": false} {
		made, err := certificate(kind, "ledger.shop", key, moment)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := x509.ParseCertificate(made.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		if moment.After(parsed.NotAfter) != expired {
			t.Errorf("%s: until %s", kind, parsed.NotAfter)
		}
		if (parsed.VerifyHostname("ledger.shop") != nil) != (kind == "WrongHost") {
			t.Errorf("%s: for %v", kind, parsed.DNSNames)
		}
		var unknown x509.UnknownAuthorityError
		var invalid x509.CertificateInvalidError
		_, err = parsed.Verify(x509.VerifyOptions{Roots: x509.NewCertPool()})
		if !errors.As(err, &unknown) && !errors.As(err, &invalid) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	if _, err := certificate("Other", "a", key, moment); err == nil {
		t.Error("a mode that is not known was taken")
	}
}

func TestADelayKeepsTheOrder(t *testing.T) {
	delays := []time.Duration{80 * time.Millisecond, 0}
	pieces := make(chan piece, 4)
	go receive(strings.NewReader("a"), pieces, func() time.Duration {
		next := delays[0]
		delays = delays[1:]
		return next
	})
	first := <-pieces
	if string(first.bytes) != "a" || time.Until(first.due) < 40*time.Millisecond {
		t.Errorf("%s %s", first.bytes, time.Until(first.due))
	}
	for range 100 {
		if took := jittered(100, 20); took < 80*time.Millisecond || took > 120*time.Millisecond {
			t.Errorf("%s", took)
		}
	}
}
