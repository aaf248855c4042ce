// Package failure holds the error that decides a request's HTTP status.
package failure

import (
	"context"
	"errors"
	"net"
	"net/http"
)

// Error is a failed request: its HTTP status and its cause.
type Error struct {
	Status int
	Cause  error
}

func (e *Error) Error() string { return e.Cause.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// ErrPermanent marks, wrapped, a failure that the same input will always meet, however often it is tried.
var ErrPermanent = errors.New("it cannot succeed")

// New is a failure with a given status.
func New(status int, cause error) error { return &Error{status, cause} }

// Unavailable is the failure of a dependency: 504 if it took too long, else 503. A nil cause gives nil.
func Unavailable(cause error) error {
	if cause == nil {
		return nil
	}
	if IsTimeout(cause) {
		return &Error{http.StatusGatewayTimeout, cause}
	}
	return &Error{http.StatusServiceUnavailable, cause}
}

// IsTimeout tells whether time ran out.
func IsTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &network) && network.Timeout())
}

// Status is the HTTP status of a request that ended with err: 200 for nil, 500 for an error without a status.
func Status(err error) int {
	var failed *Error
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &failed):
		return failed.Status
	}
	return http.StatusInternalServerError
}
