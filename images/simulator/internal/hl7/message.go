package hl7

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Acknowledgment codes of MSA-1 (table 0008).
const (
	Accept = "AA"
	Fail   = "AE" // the message is sound and could not be processed; it may be sent again
	Reject = "AR" // the message will never be processed
)

const timestamp = "20060102150405"

// Message is a parsed message: its segments, each with its fields.
type Message struct {
	segments [][]string
	// component and escape are the delimiters that the message declares.
	component, escape string
}

// Parse reads a message. All lines must be segments, the first of them MSH.
func Parse(text []byte) (*Message, error) {
	lines := strings.FieldsFunc(string(text), func(r rune) bool { return r == '\r' || r == '\n' })
	if len(lines) == 0 || len(lines[0]) < 8 || !strings.HasPrefix(lines[0], "MSH") {
		return nil, errors.New("the message does not start with MSH")
	}
	field := lines[0][3:4]
	message := &Message{component: lines[0][4:5], escape: lines[0][6:7]}
	for i, line := range lines {
		fields := strings.Split(line, field)
		if len(fields[0]) != 3 {
			return nil, fmt.Errorf("segment %d has the name %.10q, which is not of 3 letters", i+1, fields[0])
		}
		if i == 0 {
			// The delimiter itself is MSH-1, so that the numbers of the standard are indices.
			fields = append([]string{fields[0], field}, fields[1:]...)
		}
		message.segments = append(message.segments, fields)
	}
	return message, nil
}

// Field is a field of the first segment of a name, such as PID-3; empty if there is none.
func (m *Message) Field(segment string, number int) string {
	for _, fields := range m.segments {
		if fields[0] == segment {
			if number < len(fields) {
				return fields[number]
			}
			return ""
		}
	}
	return ""
}

// Component is a part of a field, from 1, with escapes resolved.
func (m *Message) Component(segment string, field, number int) string {
	parts := strings.Split(m.Field(segment, field), m.component)
	if number > len(parts) {
		return ""
	}
	return m.unescape(parts[number-1])
}

// Count is how many segments have a name.
func (m *Message) Count(segment string) int {
	count := 0
	for _, fields := range m.segments {
		if fields[0] == segment {
			count++
		}
	}
	return count
}

// ControlID is MSH-10, by which an acknowledgment refers to the message.
func (m *Message) ControlID() string { return m.Field("MSH", 10) }

// Type is MSH-9 as code and trigger, such as ADT^A01, whatever the component delimiter.
func (m *Message) Type() string {
	return m.Component("MSH", 9, 1) + "^" + m.Component("MSH", 9, 2)
}

func (m *Message) unescape(text string) string {
	if !strings.Contains(text, m.escape) {
		return text
	}
	e := m.escape
	return strings.NewReplacer(e+"F"+e, "|", e+"S"+e, "^", e+"T"+e, "&", e+"R"+e, "~", e+"E"+e, `\`).Replace(text)
}

// Escape makes a text safe to stand in a field.
func Escape(text string) string {
	return strings.NewReplacer(`\`, `\E\`, "|", `\F\`, "^", `\S\`, "&", `\T\`, "~", `\R\`, "\r", " ", "\n", " ").Replace(text)
}

// Header is the MSH segment of a message of version 2.5 for a test system.
func Header(sender, receiver, kind, controlID string, at time.Time) string {
	return fmt.Sprintf(`MSH|^~\&|%s|simulation|%s|simulation|%s||%s|%s|T|2.5`,
		Escape(sender), Escape(receiver), at.UTC().Format(timestamp), kind, Escape(controlID))
}

// Join makes a message of segments.
func Join(segments ...string) []byte { return []byte(strings.Join(segments, "\r") + "\r") }

// Acknowledge answers a message with a code; text says why it is not Accept.
func Acknowledge(receiver, code, controlID, text string, at time.Time) []byte {
	acknowledged := fmt.Sprintf("MSA|%s|%s", code, Escape(controlID))
	if text != "" {
		acknowledged += "|" + Escape(text)
	}
	return Join(Header(receiver, "sender", "ACK", "A"+controlID, at), acknowledged)
}
