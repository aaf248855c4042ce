// Package hl7 reads and writes HL7 version 2 messages and their framing on a TCP connection, MLLP.
package hl7

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Bytes that frame a message: start block, end block and carriage return.
const (
	startBlock     = 0x0b
	endBlock       = 0x1c
	carriageReturn = 0x0d
)

// MaxBytes bounds a message.
const MaxBytes = 64 << 10

// ErrFrame is that a connection does not carry frames; it cannot be used further.
var ErrFrame = errors.New("not an MLLP frame")

// ReadFrame reads one message. The error is io.EOF if the connection ended between messages.
func ReadFrame(r *bufio.Reader) ([]byte, error) {
	first, err := r.ReadByte()
	if err != nil {
		return nil, err
	}
	if first != startBlock {
		return nil, fmt.Errorf("%w: it starts with 0x%02x", ErrFrame, first)
	}
	var message []byte
	for {
		next, err := r.ReadByte()
		if err != nil {
			return nil, errors.Join(io.ErrUnexpectedEOF, err)
		}
		if next == endBlock {
			break
		}
		if message = append(message, next); len(message) > MaxBytes {
			return nil, fmt.Errorf("%w: longer than %d bytes", ErrFrame, MaxBytes)
		}
	}
	if last, err := r.ReadByte(); err != nil || last != carriageReturn {
		return nil, fmt.Errorf("%w: no carriage return at its end", ErrFrame)
	}
	return message, nil
}

// WriteFrame writes one message.
func WriteFrame(w io.Writer, message []byte) error {
	frame := make([]byte, 0, len(message)+3)
	frame = append(frame, startBlock)
	frame = append(frame, message...)
	_, err := w.Write(append(frame, endBlock, carriageReturn))
	return err
}
