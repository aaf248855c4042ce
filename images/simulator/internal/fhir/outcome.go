package fhir

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"firedrill.dev/simulator/internal/failure"
	"firedrill.dev/simulator/internal/fhirstore"
	"firedrill.dev/simulator/internal/httpserver"
)

const contentType = "application/fhir+json; charset=utf-8"

// issue is one problem of an OperationOutcome; its code is one of FHIR's issue types.
type issue struct {
	Severity    string   `json:"severity"`
	Code        string   `json:"code"`
	Diagnostics string   `json:"diagnostics"`
	Expression  []string `json:"expression,omitempty"`
}

type operationOutcome struct {
	ResourceType string  `json:"resourceType"`
	Issue        []issue `json:"issue"`
}

// outcomeError is a failed request that the client can understand.
type outcomeError struct {
	status int
	issues []issue
}

func (e *outcomeError) Error() string {
	first := e.issues[0]
	if len(first.Expression) > 0 {
		return first.Expression[0] + ": " + first.Diagnostics
	}
	return first.Diagnostics
}

func refused(status int, code, format string, arguments ...any) error {
	return &outcomeError{status, []issue{{"error", code, fmt.Sprintf(format, arguments...), nil}}}
}

// invalid is a body that is refused before its rules are looked at.
func invalid(code, field, format string, arguments ...any) error {
	found := issue{"error", code, fmt.Sprintf(format, arguments...), nil}
	if field != "" {
		found.Expression = []string{field}
	}
	return &outcomeError{http.StatusBadRequest, []issue{found}}
}

// fail answers with an OperationOutcome.
func fail(w http.ResponseWriter, err error) {
	httpserver.Explain(w, err)
	var told *outcomeError
	if !errors.As(err, &told) {
		told = translate(err)
	}
	answer(w, told.status, operationOutcome{"OperationOutcome", told.issues})
}

func translate(err error) *outcomeError {
	status, code := failure.Status(failure.Unavailable(err)), "transient"
	var failed *failure.Error
	switch {
	case errors.Is(err, fhirstore.ErrNotFound):
		status, code = http.StatusNotFound, "not-found"
	case errors.Is(err, fhirstore.ErrGone):
		status, code = http.StatusGone, "deleted"
	case errors.Is(err, fhirstore.ErrConflict):
		status, code = http.StatusPreconditionFailed, "conflict"
	case errors.As(err, &failed):
		status, code = failed.Status, "processing"
	case status == http.StatusGatewayTimeout:
		code = "timeout"
	}
	return &outcomeError{status, []issue{{"error", code, err.Error(), nil}}}
}

func answer(w http.ResponseWriter, status int, content any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(content) // the caller may have hung up
}

func textOf(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(text)
}
