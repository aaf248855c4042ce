package fhir

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"firedrill.dev/simulator/internal/fhirstore"
)

const (
	defaultCount = 20
	largestCount = 1000
	// afterParameter carries the position in next links; clients take the links as they are.
	afterParameter = "_after"
)

// kindOf is how a search parameter compares, by the names of FHIR.
type kindOf int

const (
	stringParameter kindOf = iota
	tokenParameter
	dateParameter
	referenceParameter
)

// parametersOf are the search parameters of each type.
var parametersOf = map[string]map[string]kindOf{
	patientType: {
		"name": stringParameter, "family": stringParameter, "given": stringParameter,
		"identifier": tokenParameter, "gender": tokenParameter, "birthdate": dateParameter,
	},
	observationType: {
		"patient": referenceParameter, "subject": referenceParameter, "code": tokenParameter, "status": tokenParameter,
		"identifier": tokenParameter, "date": dateParameter,
	},
	encounterType: {
		"patient": referenceParameter, "subject": referenceParameter, "status": tokenParameter, "identifier": tokenParameter,
	},
	conditionType: {
		"patient": referenceParameter, "subject": referenceParameter, "code": tokenParameter, "identifier": tokenParameter,
	},
	medicationRequestType: {
		"patient": referenceParameter, "subject": referenceParameter, "code": tokenParameter, "status": tokenParameter,
		"identifier": tokenParameter,
	},
}

// index gives the values by which a resource can be found.
func index(kind string, r resource) []fhirstore.Value {
	var found []fhirstore.Value
	add := func(parameter, value string) {
		if value != "" {
			found = append(found, fhirstore.Value{Parameter: parameter, Value: value})
		}
	}
	token := func(parameter, system, code string) {
		if code != "" {
			add(parameter, code)
			add(parameter, system+"|"+code)
		}
	}
	for _, name := range r.children("name") {
		add("family", fold(name.text("family")))
		add("name", fold(name.text("family")))
		add("name", fold(name.text("text")))
		for _, given := range name.texts("given") {
			add("given", fold(given))
			add("name", fold(given))
		}
	}
	for _, identifier := range r.children("identifier") {
		token("identifier", identifier.text("system"), identifier.text("value"))
	}
	for _, concept := range []resource{r.child("code"), r.child("medicationCodeableConcept")} {
		for _, coding := range concept.children("coding") {
			token("code", coding.text("system"), coding.text("code"))
		}
	}
	add("gender", r.text("gender"))
	add("status", r.text("status"))
	add("birthdate", r.text("birthDate"))
	add("date", r.text("effectiveDateTime"))
	if kind != patientType {
		add("patient", r.patient())
	}
	return found
}

// fold makes texts equal that differ in case only.
func fold(text string) string { return strings.ToLower(strings.TrimSpace(text)) }

// query is a parsed search.
type query struct {
	conditions []fhirstore.Condition
	after      string
	count      int
}

func parseQuery(kind string, values url.Values) (query, error) {
	parsed := query{count: defaultCount}
	for name, given := range values {
		switch name {
		case "_count":
			count, err := strconv.Atoi(given[0])
			if err != nil || count < 1 {
				return query{}, refused(http.StatusBadRequest, "value", "_count: %q is not a whole number above 0", given[0])
			}
			parsed.count = min(count, largestCount)
			continue
		case afterParameter:
			parsed.after = given[0]
			continue
		case "_format":
			continue // there is JSON only
		}
		comparison, known := parametersOf[kind][name]
		if !known {
			return query{}, refused(http.StatusBadRequest, "not-supported", "%s cannot be searched by %q", kind, name)
		}
		for _, value := range given {
			condition, err := conditionOf(name, comparison, value)
			if err != nil {
				return query{}, err
			}
			parsed.conditions = append(parsed.conditions, condition)
		}
	}
	// A map has no order; the same search should be the same statement.
	slices.SortFunc(parsed.conditions, func(a, b fhirstore.Condition) int {
		return strings.Compare(a.Parameter+" "+a.Value, b.Parameter+" "+b.Value)
	})
	return parsed, nil
}

var datePrefixes = map[string]fhirstore.Operator{
	"eq": fhirstore.Prefix, "lt": fhirstore.Less, "le": fhirstore.LessEqual, "gt": fhirstore.More, "ge": fhirstore.MoreEqual,
}

func conditionOf(name string, comparison kindOf, value string) (fhirstore.Condition, error) {
	if value == "" {
		return fhirstore.Condition{}, refused(http.StatusBadRequest, "value", "%s: the value is empty", name)
	}
	switch comparison {
	case stringParameter:
		return fhirstore.Condition{Parameter: name, Operator: fhirstore.Prefix, Value: fold(value)}, nil
	case referenceParameter:
		id := strings.TrimPrefix(value, patientType+"/")
		if !idPattern.MatchString(id) {
			return fhirstore.Condition{}, refused(http.StatusBadRequest, "value", "%s: %q is no reference to a patient", name, value)
		}
		return fhirstore.Condition{Parameter: "patient", Operator: fhirstore.Equal, Value: id}, nil
	case dateParameter:
		operator, date := fhirstore.Prefix, value // a day lies in its month and its year, which is a prefix of it
		if found, prefixed := datePrefixes[value[:min(2, len(value))]]; prefixed {
			operator, date = found, value[2:]
		}
		if !isDateTime(date) {
			return fhirstore.Condition{}, refused(http.StatusBadRequest, "value", "%s: %q is not a date", name, value)
		}
		return fhirstore.Condition{Parameter: name, Operator: operator, Value: date}, nil
	}
	return fhirstore.Condition{Parameter: name, Operator: fhirstore.Equal, Value: value}, nil
}
