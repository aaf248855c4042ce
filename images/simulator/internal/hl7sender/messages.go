package hl7sender

import (
	"fmt"
	"strconv"
	"time"

	"firedrill.dev/simulator/internal/clinical"
	"firedrill.dev/simulator/internal/hl7"
	"firedrill.dev/simulator/internal/seeded"
)

// patients is how many there are in the wards.
const patients = 500

const (
	dayLayout    = "20060102"
	secondLayout = "20060102150405"
)

// newMessage gives the n-th message: mostly results, some admissions and changes of data.
func newMessage(key seeded.Key, sender, control string, n uint64, at time.Time) []byte {
	random := key.Child(n).Rand()
	person := clinical.NewPatient(key.Child(1 << 40).Child(random.Uint64N(patients)))
	header := func(kind string) string { return hl7.Header(sender, "hl7-receiver", kind, control, at) }
	identity := pid(&person)
	switch draw := random.IntN(10); {
	case draw < 2:
		return hl7.Join(header("ADT^A01^ADT_A01"), "EVN|A01|"+at.Format(secondLayout), identity, visit(random.IntN(20)))
	case draw < 4:
		return hl7.Join(header("ADT^A08^ADT_A01"), "EVN|A08|"+at.Format(secondLayout), identity, visit(random.IntN(20)))
	}
	segments := []string{header("ORU^R01^ORU_R01"), identity, "OBR|1|||85353-1^Vital signs^LN|||" + at.Format(secondLayout)}
	for i := range 1 + random.Uint64N(4) {
		measured := clinical.NewMeasurement(key.Child(n).Child(i))
		segments = append(segments, fmt.Sprintf("OBX|%d|NM|%s^%s^LN||%s|%s|||||F", i+1,
			measured.Code.LOINC, hl7.Escape(measured.Code.Display), strconv.FormatFloat(measured.Value, 'f', -1, 64), hl7.Escape(measured.Code.Unit)))
	}
	return hl7.Join(segments...)
}

func pid(p *clinical.Patient) string {
	sex := "M"
	if p.Gender == "female" {
		sex = "F"
	}
	return fmt.Sprintf("PID|1||%s^^^simulation^MR||%s^%s||%s|%s",
		hl7.Escape(p.MRN), hl7.Escape(p.Family), hl7.Escape(p.Given), p.BirthDate.Format(dayLayout), sex)
}

func visit(ward int) string { return fmt.Sprintf("PV1|1|I|WARD%02d^%d^1", ward, 1+ward%4) }
