package fhir

import (
	"errors"
	"net/url"
	"slices"
	"testing"
	"time"

	"firedrill.dev/simulator/internal/fhirstore"
)

func TestValidation(t *testing.T) {
	for name, c := range map[string]struct {
		kind, body string
		status     int
		places     []string
	}{
		"a patient needs nothing":  {patientType, `{"resourceType":"Patient"}`, 0, nil},
		"another type":             {patientType, `{"resourceType":"Observation"}`, 400, []string{"resourceType"}},
		"a gender that is none":    {patientType, `{"resourceType":"Patient","gender":"m"}`, 422, []string{"Patient.gender"}},
		"a day that is none":       {patientType, `{"resourceType":"Patient","birthDate":"2020-02-30"}`, 422, []string{"Patient.birthDate"}},
		"a month is a date":        {patientType, `{"resourceType":"Patient","birthDate":"2020-02"}`, 0, nil},
		"an empty observation":     {observationType, `{"resourceType":"Observation"}`, 422, []string{"Observation.code", "Observation.status"}},
		"a sound observation":      {observationType, `{"resourceType":"Observation","status":"final","code":{}}`, 0, nil},
		"a code that is text":      {observationType, `{"resourceType":"Observation","status":"final","code":"x"}`, 422, []string{"Observation.code"}},
		"an encounter":             {encounterType, `{"resourceType":"Encounter","status":"finished"}`, 422, []string{"Encounter.class"}},
		"a condition of nobody":    {conditionType, `{"resourceType":"Condition"}`, 422, []string{"Condition.subject"}},
		"a reference to a place":   {conditionType, `{"resourceType":"Condition","subject":{"reference":"Location/1"}}`, 422, []string{"Condition.subject.reference"}},
		"a prescription":           {medicationRequestType, `{"resourceType":"MedicationRequest","status":"active","intent":"order","medicationCodeableConcept":{},"subject":{"reference":"Patient/1"}}`, 0, nil},
		"a prescription of nought": {medicationRequestType, `{"resourceType":"MedicationRequest","status":"active","intent":"wish","subject":{}}`, 422, []string{"MedicationRequest.intent", "MedicationRequest.medication[x]"}},
	} {
		t.Run(name, func(t *testing.T) {
			parsed, err := parse([]byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			err = validate(c.kind, parsed)
			var told *outcomeError
			status, places := 0, []string(nil)
			if errors.As(err, &told) {
				status = told.status
				for _, found := range told.issues {
					places = append(places, found.Expression...)
				}
			}
			if status != c.status || !slices.Equal(places, c.places) {
				t.Errorf("%d %v, want %d %v", status, places, c.status, c.places)
			}
		})
	}
}

func TestWhatTheServerSaysOfAResourceIsNotTheClients(t *testing.T) {
	given, err := parse([]byte(`{"resourceType":"Patient","id":"mine","meta":{"versionId":"99","profile":["p"]},"active":true}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := given.strip()
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	shown, err := present(fhirstore.Stored{ID: "x", Version: 3, UpdatedAt: at, Body: body})
	if err != nil {
		t.Fatal(err)
	}
	meta := shown.child("meta")
	if shown.text("id") != "x" || meta.text("versionId") != "3" || meta.text("lastUpdated") != "2026-01-02T03:04:05.006Z" {
		t.Errorf("shown as %v", shown)
	}
	if !slices.Equal(meta.texts("profile"), []string{"p"}) || shown["active"] != true {
		t.Errorf("lost what the client said: %v", shown)
	}
}

func TestAResourceIsFoundByItsValues(t *testing.T) {
	for name, c := range map[string]struct {
		kind, body, parameter string
		want                  []string
	}{
		"names without case": {patientType, `{"name":[{"family":"Weber","given":["Ann","Eve"]}]}`, "name", []string{"weber", "ann", "eve"}},
		"identifiers with and without system": {
			patientType, `{"identifier":[{"system":"s","value":"1"}]}`, "identifier", []string{"1", "s|1"},
		},
		"the patient of a reference": {observationType, `{"subject":{"reference":"http://h/fhir/Patient/p1/_history/2"}}`, "patient", []string{"p1"}},
		"codes of medication": {
			medicationRequestType, `{"medicationCodeableConcept":{"coding":[{"system":"rx","code":"7"}]}}`, "code", []string{"7", "rx|7"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			parsed, err := parse([]byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, value := range index(c.kind, parsed) {
				if value.Parameter == c.parameter {
					got = append(got, value.Value)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

func TestSearches(t *testing.T) {
	for name, c := range map[string]struct {
		kind, query string
		want        []fhirstore.Condition
		count       int
		refused     bool
	}{
		"nothing asked":        {patientType, "", nil, defaultCount, false},
		"a name is a prefix":   {patientType, "name=WEB", []fhirstore.Condition{{Parameter: "name", Operator: fhirstore.Prefix, Value: "web"}}, defaultCount, false},
		"born from a day on":   {patientType, "birthdate=ge1990-01-01", []fhirstore.Condition{{Parameter: "birthdate", Operator: fhirstore.MoreEqual, Value: "1990-01-01"}}, defaultCount, false},
		"born in a year":       {patientType, "birthdate=1990", []fhirstore.Condition{{Parameter: "birthdate", Operator: fhirstore.Prefix, Value: "1990"}}, defaultCount, false},
		"subject is patient":   {observationType, "subject=Patient/7", []fhirstore.Condition{{Parameter: "patient", Operator: fhirstore.Equal, Value: "7"}}, defaultCount, false},
		"a page":               {observationType, "_count=5", nil, 5, false},
		"a page that is huge":  {observationType, "_count=99999", nil, largestCount, false},
		"a page that is none":  {observationType, "_count=0", nil, 0, true},
		"an unknown parameter": {patientType, "colour=red", nil, 0, true},
		"a date that is none":  {patientType, "birthdate=soon", nil, 0, true},
		"an empty value":       {patientType, "name=", nil, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			values, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			got, err := parseQuery(c.kind, values)
			if (err != nil) != c.refused || got.count != c.count || !slices.Equal(got.conditions, c.want) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}
