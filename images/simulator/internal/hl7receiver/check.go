package hl7receiver

import (
	"errors"
	"fmt"

	"firedrill.dev/simulator/internal/hl7"
)

// needed are the segments that a message of a type must have.
var needed = map[string][]string{
	"ADT^A01": {"EVN", "PID", "PV1"},
	"ADT^A08": {"EVN", "PID", "PV1"},
	"ORU^R01": {"PID", "OBR", "OBX"},
}

// check tells why a message can never be processed.
func check(message *hl7.Message) error {
	if message.ControlID() == "" {
		return errors.New("MSH-10 (message control ID) is empty")
	}
	segments, known := needed[message.Type()]
	if !known {
		return fmt.Errorf("the type %s is not supported", message.Type())
	}
	if version := message.Component("MSH", 12, 1); len(version) < 2 || version[:2] != "2." {
		return fmt.Errorf("the version %q is not supported", version)
	}
	for _, segment := range segments {
		if message.Count(segment) == 0 {
			return fmt.Errorf("segment %s is missing", segment)
		}
	}
	if message.Component("PID", 3, 1) == "" {
		return errors.New("PID-3 (patient identifier) is empty")
	}
	return nil
}
