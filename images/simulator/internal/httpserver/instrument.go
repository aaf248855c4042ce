package httpserver

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"firedrill.dev/simulator/internal/failure"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/trace"
)

// Streams of random draws of one request; scripts use the small numbers.
const failureStream = 1 << 32

var (
	errFlagFailure = errors.New("internal error")
	errThrottled   = errors.New("too many requests")
	errNoTLS       = errors.New("this service is served with TLS only, on another port")
)

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	cause  error
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(body []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(body)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Explain keeps the cause of a failed request for the log; the handler answers itself.
func Explain(w http.ResponseWriter, cause error) {
	if recorded, ok := w.(*recorder); ok {
		recorded.cause = cause
	}
}

// Fail answers with the status of err (see failure.Status) and its text as JSON, and keeps the cause for the log.
func Fail(w http.ResponseWriter, err error) {
	if recorded, ok := w.(*recorder); ok {
		recorded.cause = err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(failure.Status(err))
	// The caller may have hung up, which its own metrics tell.
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
}

func (s *Server) instrument(route string, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		if s.Flags.On(flags.Unreachable) {
			s.hangUp(w)
			return
		}
		ctx := r.Context()
		if parent, ok := trace.Parse(r.Header.Get(trace.Header)); ok {
			ctx = trace.With(ctx, parent)
		}
		ctx, span := s.Tracer.Start(ctx, r.Method+" "+route, trace.Server)
		key := s.Key.Child(s.ordinal.Add(1))
		recorded := &recorder{ResponseWriter: w}
		if !s.faulty(recorded, r, key) {
			handler.ServeHTTP(recorded, r.WithContext(seeded.With(ctx, key)))
		}
		if recorded.status == 0 {
			recorded.status = http.StatusOK
		}
		elapsed, code := time.Since(started), strconv.Itoa(recorded.status)
		s.requests.WithLabelValues(route, code).Inc()
		s.duration.WithLabelValues(route).Observe(elapsed.Seconds())
		span.Set("http.route", route)
		span.Set("http.response.status_code", code)
		span.End(recorded.cause)
		s.logRequest(r, route, span.Context, recorded, elapsed)
	})
}

// faulty applies the request flags; it tells whether the request is answered by them already.
func (s *Server) faulty(w *recorder, r *http.Request, key seeded.Key) bool {
	if s.requireTLS && r.TLS == nil {
		Fail(w, failure.New(http.StatusMisdirectedRequest, errNoTLS))
		return true
	}
	if limit := s.Flags.Value(flags.Throttle); limit > 0 {
		if s.limiter.Limit() != rate.Limit(limit) {
			s.limiter.SetLimit(rate.Limit(limit))
			s.limiter.SetBurst(max(1, int(limit)))
		}
		if !s.limiter.Allow() {
			w.Header().Set("Retry-After", "1")
			Fail(w, failure.New(http.StatusTooManyRequests, errThrottled))
			return true
		}
	}
	if delay := s.Flags.Value(flags.Slow); delay > 0 {
		select {
		case <-time.After(time.Duration(delay * float64(time.Second))):
		case <-r.Context().Done():
		}
	}
	if key.Child(failureStream).Chance(s.Flags.Value(flags.Failure)) {
		Fail(w, failure.New(http.StatusInternalServerError, errFlagFailure))
		return true
	}
	return false
}

// hangUp resets the connection, as a host does that has no listener; it happens here and not at the listener so that
// metrics and probes still tell what goes on.
func (s *Server) hangUp(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.Log.Error("a connection could not be taken over", "error", err.Error())
		return
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a failure to set it only turns the reset into an ordinary close
	}
	_ = connection.Close() // the aim is that it is gone, however
}

func (s *Server) logRequest(r *http.Request, route string, span trace.Context, recorded *recorder, elapsed time.Duration) {
	level := slog.LevelInfo
	switch {
	case recorded.status >= 500:
		level = slog.LevelError
	case recorded.status >= 400:
		level = slog.LevelWarn
	case !span.Sampled(s.LogSample):
		return
	}
	attributes := []slog.Attr{
		slog.String("trace_id", span.TraceHex()),
		slog.String("span_id", span.SpanHex()),
		slog.String("method", r.Method),
		slog.String("route", route),
		slog.Int("status", recorded.status),
		slog.Float64("duration_ms", float64(elapsed.Microseconds())/1000),
	}
	if recorded.cause != nil {
		attributes = append(attributes, slog.String("error", recorded.cause.Error()))
	}
	s.Log.LogAttrs(r.Context(), level, "request", attributes...)
}
