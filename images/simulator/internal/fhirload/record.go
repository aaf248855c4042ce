package fhirload

import (
	"fmt"
	"time"

	"firedrill.dev/simulator/internal/clinical"
	"firedrill.dev/simulator/internal/seeded"
)

// perPatient is how many resources there are of each patient: the patient and observations.
const perPatient = 5

type object = map[string]any

// record is one resource to write.
type record struct {
	kind, id string
	body     object
}

// newRecord gives the n-th resource, from 0; the same key and n give the same one.
func newRecord(key seeded.Key, n uint64) record {
	patientKey := key.Child(n / perPatient)
	person := clinical.NewPatient(patientKey)
	if n%perPatient == 0 {
		return patient(&person)
	}
	measured := clinical.NewMeasurement(patientKey.Child(n % perPatient))
	return observation(&person, &measured)
}

func patient(p *clinical.Patient) record {
	return record{"Patient", p.ID, object{
		"resourceType": "Patient", "id": p.ID, "active": true, "gender": p.Gender, "birthDate": p.BirthDate.Format(time.DateOnly),
		"identifier": []any{object{"system": "urn:simulation:mrn", "value": p.MRN}},
		"name":       []any{object{"use": "official", "family": p.Family, "given": []any{p.Given}}},
	}}
}

func observation(p *clinical.Patient, m *clinical.Measurement) record {
	return record{"Observation", m.ID, object{
		"resourceType": "Observation", "id": m.ID, "status": "final",
		"code": object{
			"coding": []any{object{"system": "http://loinc.org", "code": m.Code.LOINC, "display": m.Code.Display}},
			"text":   m.Code.Display,
		},
		"subject":           object{"reference": "Patient/" + p.ID, "display": fmt.Sprintf("%s, %s", p.Family, p.Given)},
		"effectiveDateTime": m.At.Format(time.RFC3339),
		"valueQuantity": object{
			"value": m.Value, "unit": m.Code.Unit, "system": "http://unitsofmeasure.org", "code": m.Code.Unit,
		},
	}}
}
