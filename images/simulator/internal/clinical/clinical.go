// Package clinical makes synthetic patients and measurements: plausible, of nobody, and repeatable from a key.
package clinical

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"firedrill.dev/simulator/internal/seeded"
)

// Patient is a person with a medical record number.
type Patient struct {
	ID        string
	MRN       string
	Family    string
	Given     string
	BirthDate time.Time
	// Gender is male or female, as in FHIR.
	Gender string
}

// Measurement is a vital sign.
type Measurement struct {
	ID   string
	Code Code
	// Value is in Code.Unit.
	Value float64
	At    time.Time
}

// Code is a LOINC code with its unit in UCUM.
type Code struct {
	LOINC, Display, Unit string
	mean, deviation      float64
	decimals             int
}

// Codes of the vital signs there are.
var Codes = []Code{
	{"8867-4", "Heart rate", "/min", 74, 12, 0},
	{"8480-6", "Systolic blood pressure", "mm[Hg]", 124, 15, 0},
	{"8462-4", "Diastolic blood pressure", "mm[Hg]", 79, 10, 0},
	{"8310-5", "Body temperature", "Cel", 36.8, 0.4, 1},
	{"59408-5", "Oxygen saturation", "%", 97, 1.2, 0},
	{"29463-7", "Body weight", "kg", 76, 14, 1},
}

var (
	families = []string{
		"Adler", "Berg", "Castillo", "Dahl", "Evans", "Fischer", "Garcia", "Hansen", "Ivanova", "Jansen", "Kowalski", "Lindqvist",
		"Moreau", "Novak", "Okafor", "Petrov", "Quinn", "Rossi", "Silva", "Tanaka", "Ueda", "Vargas", "Weber", "Yilmaz", "Zhang",
	}
	givenFemale = []string{"Anna", "Beatriz", "Chloe", "Daria", "Elif", "Freya", "Grace", "Hana", "Ines", "Julia", "Kira", "Lena"}
	givenMale   = []string{"Adam", "Bruno", "Carlos", "David", "Emil", "Felix", "Goran", "Hugo", "Ivan", "Jonas", "Karim", "Luca"}
)

// firstDay is that of the records; a fixed one, as the same seed has to give the same records on any day.
var firstDay = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

const (
	days       = 365
	oldestDays = 95 * 365
)

// NewPatient draws a patient.
func NewPatient(key seeded.Key) Patient {
	random := key.Rand()
	person := Patient{
		ID: UUID(random), MRN: fmt.Sprintf("MRN%08d", random.IntN(100_000_000)), Family: families[random.IntN(len(families))],
		BirthDate: firstDay.AddDate(0, 0, -random.IntN(oldestDays)),
	}
	if random.IntN(2) == 0 {
		person.Gender, person.Given = "female", givenFemale[random.IntN(len(givenFemale))]
	} else {
		person.Gender, person.Given = "male", givenMale[random.IntN(len(givenMale))]
	}
	return person
}

// NewMeasurement draws a measurement.
func NewMeasurement(key seeded.Key) Measurement {
	random := key.Rand()
	code := Codes[random.IntN(len(Codes))]
	scale := math.Pow10(code.decimals)
	return Measurement{
		ID: UUID(random), Code: code,
		Value: math.Round((code.mean+code.deviation*min(max(random.NormFloat64(), -3), 3))*scale) / scale,
		At:    firstDay.Add(time.Duration(random.IntN(days*24*60)) * time.Minute),
	}
}

// UUID draws an identifier of version 8: its bits are the application's own.
func UUID(random *rand.Rand) string {
	high, low := random.Uint64(), random.Uint64()
	return fmt.Sprintf("%08x-%04x-8%03x-%04x-%012x", high>>32, high>>16&0xffff, high&0xfff, low>>48&0x3fff|0x8000, low&0xffffffffffff)
}
