package hl7

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

func TestFrames(t *testing.T) {
	var wire bytes.Buffer
	for _, message := range []string{"first", "second\rline"} {
		if err := WriteFrame(&wire, []byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	reader := bufio.NewReader(&wire)
	for _, want := range []string{"first", "second\rline"} {
		if got, err := ReadFrame(reader); err != nil || string(got) != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	if _, err := ReadFrame(reader); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestBrokenFrames(t *testing.T) {
	for name, c := range map[string]struct {
		wire string
		want error
	}{
		"no start":           {"MSH|", ErrFrame},
		"no carriage return": {"\x0bMSH\x1cX", ErrFrame},
		"ends within":        {"\x0bMSH", io.ErrUnexpectedEOF},
		"too long":           {"\x0b" + strings.Repeat("x", MaxBytes+1) + "\x1c\r", ErrFrame},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ReadFrame(bufio.NewReader(strings.NewReader(c.wire))); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

const admission = "MSH|^~\\&|ward|a|hub|b|20260101||ADT^A01^ADT_A01|77|T|2.5\rEVN|A01\rPID|1||MRN1^^^x^MR||O\\S\\Neill^Ann\rPV1|1|I\r"

func TestParsing(t *testing.T) {
	message, err := Parse([]byte(admission))
	if err != nil {
		t.Fatal(err)
	}
	for what, pair := range map[string][2]string{
		"type":                {message.Type(), "ADT^A01"},
		"control id":          {message.ControlID(), "77"},
		"first component":     {message.Component("PID", 3, 1), "MRN1"},
		"escaped component":   {message.Component("PID", 5, 1), "O^Neill"},
		"absent component":    {message.Component("PID", 3, 9), ""},
		"absent field":        {message.Field("PID", 40), ""},
		"absent segment":      {message.Field("OBX", 1), ""},
		"the field delimiter": {message.Field("MSH", 1), "|"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %q, want %q", what, pair[0], pair[1])
		}
	}
	if message.Count("PID") != 1 || message.Count("OBX") != 0 {
		t.Error("segments are counted wrongly")
	}
}

func TestWhatIsNoMessage(t *testing.T) {
	for _, text := range []string{"", "PID|1", "MSH", "MSH|^~\\&|a\rbroken line"} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%q was taken for a message", text)
		}
	}
}

func TestEscapesComeBack(t *testing.T) {
	const awkward = `a|b^c&d~e\f`
	text := Join(Header("s", "r", "ADT^A01", "1", time.Unix(0, 0)), "PID|1||"+Escape(awkward))
	message, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if got := message.Component("PID", 3, 1); got != awkward {
		t.Errorf("%q, want %q", got, awkward)
	}
}

func TestAcknowledgments(t *testing.T) {
	message, err := Parse(Acknowledge("hub", Fail, "77", "the disk | is full", time.Unix(0, 0)))
	if err != nil {
		t.Fatal(err)
	}
	if code, id, text := message.Field("MSA", 1), message.Field("MSA", 2), message.Component("MSA", 3, 1); code != Fail || id != "77" || text != "the disk | is full" {
		t.Errorf("%s %s %q", code, id, text)
	}
}
