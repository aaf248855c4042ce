package fhir

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"firedrill.dev/simulator/internal/fhirstore"
)

// resource is one FHIR resource as JSON.
type resource map[string]any

// Types of resources that the server has.
const (
	patientType           = "Patient"
	observationType       = "Observation"
	encounterType         = "Encounter"
	conditionType         = "Condition"
	medicationRequestType = "MedicationRequest"
)

// typeNames are the types in the order of the CapabilityStatement.
var typeNames = []string{patientType, observationType, encounterType, conditionType, medicationRequestType}

// idPattern is that of the FHIR datatype id.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)

const instantLayout = "2006-01-02T15:04:05.000Z07:00"

func parse(text []byte) (resource, error) {
	var parsed resource
	if err := json.Unmarshal(text, &parsed); err != nil {
		return nil, invalid("structure", "", "the body is not a JSON object: %v", err)
	}
	return parsed, nil
}

// strip gives what is stored: without what the server itself says of a resource.
func (r resource) strip() ([]byte, error) {
	kept := resource{}
	for name, value := range r {
		kept[name] = value
	}
	delete(kept, "id")
	if meta, ok := kept["meta"].(map[string]any); ok {
		rest := map[string]any{}
		for name, value := range meta {
			if name != "versionId" && name != "lastUpdated" {
				rest[name] = value
			}
		}
		kept["meta"] = rest
	}
	return json.Marshal(kept)
}

// present is the resource as the server shows it.
func present(stored fhirstore.Stored) (resource, error) {
	shown := resource{}
	if err := json.Unmarshal(stored.Body, &shown); err != nil {
		return nil, fmt.Errorf("the stored resource %s cannot be read: %w", stored.ID, err)
	}
	meta, ok := shown["meta"].(map[string]any)
	if !ok {
		meta = map[string]any{}
	}
	meta["versionId"] = strconv.FormatInt(stored.Version, 10)
	meta["lastUpdated"] = stored.UpdatedAt.UTC().Format(instantLayout)
	shown["meta"], shown["id"] = meta, stored.ID
	return shown, nil
}

// text is a field that is a string; empty if it is none.
func (r resource) text(name string) string {
	value, _ := r[name].(string)
	return value
}

// child is a field that is an object; nil if it is none.
func (r resource) child(name string) resource {
	value, _ := r[name].(map[string]any)
	return value
}

// children are the objects of a field that is a list.
func (r resource) children(name string) []resource {
	list, _ := r[name].([]any)
	var found []resource
	for _, item := range list {
		if object, ok := item.(map[string]any); ok {
			found = append(found, object)
		}
	}
	return found
}

// texts are the strings of a field that is a list.
func (r resource) texts(name string) []string {
	list, _ := r[name].([]any)
	var found []string
	for _, item := range list {
		if text, ok := item.(string); ok {
			found = append(found, text)
		}
	}
	return found
}

// patient is the id of the patient whom the resource is about; empty if it does not say.
func (r resource) patient() string {
	if r.text("resourceType") == patientType {
		return r.text("id")
	}
	return patientOf(r.child("subject").text("reference"))
}

var patientReference = regexp.MustCompile(`(?:^|/)Patient/([A-Za-z0-9.-]{1,64})(?:/_history/[A-Za-z0-9.-]{1,64})?$`)

func patientOf(reference string) string {
	if match := patientReference.FindStringSubmatch(reference); match != nil {
		return match[1]
	}
	return ""
}

// isDate tells whether a text is a FHIR date: a year, a month or a day.
func isDate(text string) bool {
	for _, layout := range []string{time.DateOnly, "2006-01", "2006"} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}

// isDateTime tells whether a text is a FHIR dateTime: a date, or a time with its zone.
func isDateTime(text string) bool {
	_, err := time.Parse(time.RFC3339, text)
	return err == nil || isDate(text)
}
