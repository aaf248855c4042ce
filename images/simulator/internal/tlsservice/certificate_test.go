package tlsservice

import (
	"crypto/x509"
	"testing"
	"time"
)

func TestWhenACertificateIsRenewed(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	current := &held{leaf: &x509.Certificate{NotBefore: begin, NotAfter: begin.Add(90 * time.Second)}, root: []byte("r")}
	for name, c := range map[string]struct {
		after        time.Duration
		root         string
		due, expired bool
	}{
		"young":                     {time.Second, "r", false, false},
		"before two thirds":         {59 * time.Second, "r", false, false},
		"from two thirds on":        {60 * time.Second, "r", true, false},
		"at its end":                {90 * time.Second, "r", true, false},
		"after its end":             {91 * time.Second, "r", true, true},
		"young, the authority anew": {time.Second, "other", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			now := begin.Add(c.after)
			if due, expired := current.due(now, []byte(c.root)), current.expired(now); due != c.due || expired != c.expired {
				t.Errorf("due %t, expired %t; want %t, %t", due, expired, c.due, c.expired)
			}
		})
	}
}
