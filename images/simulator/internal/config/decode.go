// Package config holds the configuration of the simulator's subcommands: its types, its strict decoding and its checks.
package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Variable is the environment variable that carries the configuration as JSON.
const Variable = "SIM_CONFIG"

// ExitCode is the process's exit code for a wrong configuration (EX_USAGE of sysexits.h).
const ExitCode = 64

// Seconds is a duration as a number of seconds.
type Seconds float64

// Duration converts to Go's unit.
func (s Seconds) Duration() time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// Error says which field of the configuration is wrong, as a path such as endpoints[0].latency.median.
type Error struct {
	Field  string
	Reason string
}

func (e *Error) Error() string {
	if e.Field == "" {
		return e.Reason
	}
	return e.Field + ": " + e.Reason
}

// Checked is a configuration that can tell what is wrong with it.
type Checked interface{ Check() error }

// FromEnvironment reads and checks the configuration in SIM_CONFIG. Its errors are of type *Error.
func FromEnvironment[T any, P interface {
	*T
	Checked
}]() (*T, error) {
	text, present := os.LookupEnv(Variable)
	if !present {
		return nil, &Error{Reason: "the environment variable is not set"}
	}
	return Parse[T, P]([]byte(text))
}

// Parse decodes and checks one configuration. Unknown and repeated fields are refused. Its errors are of type *Error.
func Parse[T any, P interface {
	*T
	Checked
}](text []byte) (*T, error) {
	value := new(T)
	if err := Decode(text, value); err != nil {
		return nil, err
	}
	if err := P(value).Check(); err != nil {
		return nil, err
	}
	return value, nil
}

// Decode reads JSON into value and refuses unknown and repeated fields. Its errors are of type *Error.
func Decode(text []byte, value any) error {
	if err := json.Unmarshal(text, value, json.RejectUnknownMembers(true)); err != nil {
		return decodingError(err)
	}
	return nil
}

func decodingError(err error) error {
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) {
		reason := syntactic.Err.Error()
		if errors.Is(err, jsontext.ErrDuplicateName) {
			reason = "is given twice"
		}
		return &Error{Field: fieldPath(string(syntactic.JSONPointer)), Reason: oneLine(reason)}
	}
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) {
		return &Error{Reason: oneLine(err.Error())}
	}
	field := fieldPath(string(semantic.JSONPointer))
	switch {
	case errors.Is(err, json.ErrUnknownName):
		return &Error{Field: field, Reason: "unknown field"}
	case semantic.Err != nil:
		return &Error{Field: field, Reason: oneLine(semantic.Err.Error())}
	}
	return &Error{Field: field, Reason: fmt.Sprintf("a JSON %s does not fit here", kindName(semantic.JSONKind.String()))}
}

// fieldPath turns a JSON pointer (/endpoints/0/path) into the usual notation (endpoints[0].path).
func fieldPath(pointer string) string {
	var path strings.Builder
	for _, part := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		if part != "" && strings.Trim(part, "0123456789") == "" {
			path.WriteString("[" + part + "]")
			continue
		}
		if path.Len() > 0 {
			path.WriteByte('.')
		}
		path.WriteString(part)
	}
	return path.String()
}

func kindName(kind string) string {
	switch kind {
	case "{":
		return "object"
	case "[":
		return "array"
	}
	return kind
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
