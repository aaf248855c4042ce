package fhir

import (
	"slices"
	"strings"
)

// rules are what FHIR R4 demands of a type, as far as the server looks: fields that must be there, and those with a
// required binding, which must have one of some codes.
type rules struct {
	required []string
	codes    map[string][]string
}

var rulesOf = map[string]rules{
	patientType: {codes: map[string][]string{"gender": {"male", "female", "other", "unknown"}}},
	observationType: {
		required: []string{"status", "code"},
		codes: map[string][]string{"status": {
			"registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown",
		}},
	},
	encounterType: {
		required: []string{"status", "class"},
		codes: map[string][]string{"status": {
			"planned", "arrived", "triaged", "in-progress", "onleave", "finished", "cancelled", "entered-in-error", "unknown",
		}},
	},
	conditionType: {required: []string{"subject"}},
	medicationRequestType: {
		required: []string{"status", "intent", "medication[x]", "subject"},
		codes: map[string][]string{
			"status": {"active", "on-hold", "cancelled", "completed", "entered-in-error", "stopped", "draft", "unknown"},
			"intent": {
				"proposal", "plan", "order", "original-order", "reflex-order", "filler-order", "instance-order", "option",
			},
		},
	},
}

// objects are fields whose value must be an object, whatever the type.
var objects = []string{"code", "subject", "class", "medicationCodeableConcept", "medicationReference", "valueQuantity", "meta"}

// dates are fields whose value must be a date or a time.
var dates = map[string]func(string) bool{
	"birthDate": isDate, "effectiveDateTime": isDateTime, "authoredOn": isDateTime, "recordedDate": isDateTime, "onsetDateTime": isDateTime,
}

// validate tells all that is wrong with a resource of a type.
func validate(kind string, r resource) error {
	var found []issue
	report := func(code, field, text string) {
		found = append(found, issue{"error", code, text, []string{kind + "." + field}})
	}
	if given := r.text("resourceType"); given != kind {
		return invalid("structure", "resourceType", "%q is not %s", given, kind)
	}
	described := rulesOf[kind]
	for _, field := range described.required {
		if !has(r, field) {
			report("required", field, "is required")
		}
	}
	for field, codes := range described.codes {
		if value, given := r[field]; given && !slices.Contains(codes, r.text(field)) {
			report("code-invalid", field, textOf(value)+" is none of "+strings.Join(codes, ", "))
		}
	}
	for _, field := range objects {
		if value, given := r[field]; given && r.child(field) == nil {
			report("structure", field, textOf(value)+" is not an object")
		}
	}
	for field, fits := range dates {
		if value, given := r[field]; given && !fits(r.text(field)) {
			report("value", field, textOf(value)+" is not a date")
		}
	}
	if reference, given := r.child("subject")["reference"]; given && patientOf(r.child("subject").text("reference")) == "" {
		report("value", "subject.reference", textOf(reference)+" is no reference to a patient")
	}
	if len(found) == 0 {
		return nil
	}
	slices.SortFunc(found, func(a, b issue) int { return strings.Compare(a.Expression[0], b.Expression[0]) })
	return &outcomeError{status: 422, issues: found}
}

func has(r resource, field string) bool {
	base, choice := strings.CutSuffix(field, "[x]")
	if !choice {
		value, given := r[field]
		return given && value != nil && value != ""
	}
	for name := range r {
		if strings.HasPrefix(name, base) {
			return true
		}
	}
	return false
}
