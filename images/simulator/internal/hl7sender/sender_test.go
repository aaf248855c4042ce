package hl7sender

import (
	"bytes"
	"testing"
	"time"

	"firedrill.dev/simulator/internal/hl7"
	"firedrill.dev/simulator/internal/seeded"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func TestTheSameSeedSendsTheSameMessages(t *testing.T) {
	kinds := map[string]int{}
	for n := range uint64(200) {
		one := newMessage(seeded.NewKey(1, "s"), "s", "c", n, noon)
		if again := newMessage(seeded.NewKey(1, "s"), "s", "c", n, noon); !bytes.Equal(one, again) {
			t.Fatalf("message %d differs:\n%s\n%s", n, one, again)
		}
		parsed, err := hl7.Parse(one)
		if err != nil {
			t.Fatal(err)
		}
		kinds[parsed.Type()]++
		if parsed.Component("PID", 3, 1) == "" {
			t.Errorf("message %d is of no patient", n)
		}
	}
	for _, kind := range []string{"ADT^A01", "ADT^A08", "ORU^R01"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s among 200 messages: %v", kind, kinds)
		}
	}
}

func TestAcknowledgmentsAreJudged(t *testing.T) {
	for name, c := range map[string]struct {
		answer     []byte
		code       string
		successful bool
	}{
		"accepted":           {hl7.Acknowledge("r", hl7.Accept, "7", "", noon), hl7.Accept, true},
		"failed":             {hl7.Acknowledge("r", hl7.Fail, "7", "no room", noon), hl7.Fail, false},
		"rejected":           {hl7.Acknowledge("r", hl7.Reject, "7", "no type", noon), hl7.Reject, false},
		"of another message": {hl7.Acknowledge("r", hl7.Accept, "8", "", noon), wrong, false},
		"no acknowledgment":  {[]byte("hello"), wrong, false},
		"an unknown code":    {hl7.Acknowledge("r", "XX", "7", "", noon), wrong, false},
	} {
		t.Run(name, func(t *testing.T) {
			if code, err := judge("7", c.answer); code != c.code || (err == nil) != c.successful {
				t.Errorf("%s, %v; want %s, successful %t", code, err, c.code, c.successful)
			}
		})
	}
}
