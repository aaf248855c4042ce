package scripted

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/failure"
	"firedrill.dev/simulator/internal/httpserver"
	"firedrill.dev/simulator/internal/payload"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/script"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/trace"
)

const defaultTimeout = 30 * time.Second

// Streams of a request's random draws beside those of its steps, which count from 0.
const (
	errorStream   = 1 << 40
	latencyStream = errorStream + 1
)

var errOwn = errors.New("the service failed by itself")

type endpoint struct {
	*config.Endpoint
	rt      *role.Runtime
	auditor *auditor
	timeout time.Duration
}

func newEndpoint(rt *role.Runtime, described *config.Endpoint, auditor *auditor) *endpoint {
	timeout := described.Timeout.Duration()
	if timeout == 0 {
		timeout = defaultTimeout
	}
	return &endpoint{described, rt, auditor, timeout}
}

// response is the body of an answer; Padding fills it up to the configured size.
type response struct {
	Service         string         `json:"service"`
	TraceID         string         `json:"trace_id"`
	SettingsVersion int64          `json:"settings_version,omitempty"`
	Data            map[string]any `json:"data,omitempty"`
	Padding         string         `json:"padding,omitempty"`
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, payload.MaxBytes))
	if err != nil {
		httpserver.Fail(w, failure.New(http.StatusBadRequest, err))
		return
	}
	parsed, err := payload.Parse(body)
	if err != nil {
		httpserver.Fail(w, failure.New(http.StatusBadRequest, err))
		return
	}
	ctx, cancel := context.WithTimeout(payload.With(r.Context(), parsed), e.timeout)
	defer cancel()
	findings := new(script.Findings)
	if err := e.work(ctx, findings); err != nil {
		httpserver.Fail(w, err)
		return
	}
	e.auditor.request(ctx, e.Path, parsed)
	e.answer(w, trace.From(ctx), findings)
}

func (e *endpoint) work(ctx context.Context, findings *script.Findings) error {
	key := seeded.From(ctx)
	if err := script.Sleep(seeded.With(ctx, key.Child(latencyStream)), e.Latency); err != nil {
		return err
	}
	if key.Child(errorStream).Chance(e.ErrorRate) {
		return failure.New(http.StatusInternalServerError, errOwn)
	}
	return e.rt.Scripts.Run(ctx, e.Script, findings)
}

func (e *endpoint) answer(w http.ResponseWriter, span trace.Context, findings *script.Findings) {
	content := response{
		Service: e.rt.Config.Name, TraceID: span.TraceHex(),
		SettingsVersion: e.rt.Settings.Current().Version, Data: findings.Values(),
	}
	text, err := json.Marshal(content)
	if missing := e.ResponseBytes - len(text) - len(`,"padding":""`); err == nil && missing > 0 {
		content.Padding = strings.Repeat(".", missing)
		text, err = json.Marshal(content)
	}
	if err != nil {
		httpserver.Fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // the caller may have hung up, which its own metrics tell
}
