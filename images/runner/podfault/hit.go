package main

import (
	"context"
	"net/http"
)

// hit marks a request whose answer is to be replaced.
type hit struct{}

func marked(r *http.Request) context.Context {
	return context.WithValue(r.Context(), hit{}, true)
}
