package script

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/dependency"
	"firedrill.dev/simulator/internal/failure"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/payload"
	"firedrill.dev/simulator/internal/peer"
	"firedrill.dev/simulator/internal/readiness"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/trace"
)

func newEngine(t *testing.T) *Engine {
	t.Helper()
	registry := prometheus.NewRegistry()
	ready, tracer := readiness.New(registry), trace.NewTracer(nil)
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	dependencies, err := dependency.New(&config.Service{Name: "gateway"}, flags.NewSet(), ready, registry, tracer, log)
	if err != nil {
		t.Fatal(err)
	}
	peers := peer.New(registry, ready, tracer)
	t.Cleanup(peers.Close)
	return New(peers, dependencies)
}

// peers is a server whose every path is a service; it remembers who was called, how, and with which trace.
type peers struct {
	*httptest.Server
	mutex  sync.Mutex
	called []string
	traces []string
	bodies []string
}

func newPeers(t *testing.T) *peers {
	p := new(peers)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		p.mutex.Lock()
		p.called = append(p.called, r.Method+r.URL.Path)
		p.traces = append(p.traces, r.Header.Get(trace.Header))
		p.bodies = append(p.bodies, string(body))
		p.mutex.Unlock()
		switch r.URL.Path {
		case "/failing":
			w.WriteHeader(http.StatusInternalServerError)
		case "/hanging":
			<-r.Context().Done()
		}
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *peers) call(path string, probability float64, retries int) config.Step {
	return config.Step{Call: &config.Call{Service: path, URL: p.URL + path, Probability: &probability, Timeout: 0.2, Retries: retries}}
}

func TestFailingCallDecidesTheStatus(t *testing.T) {
	served := newPeers(t)
	gone := httptest.NewServer(nil)
	gone.Close()
	refusing := config.Step{Call: &config.Call{Service: "gone", URL: gone.URL}}
	for name, test := range map[string]struct {
		steps  []config.Step
		status int
		calls  int
	}{
		"good":                  {[]config.Step{served.call("/a", 1, 0), served.call("/b", 1, 0)}, 200, 2},
		"peer fails":            {[]config.Step{served.call("/failing", 1, 0), served.call("/b", 1, 0)}, 502, 1},
		"peer fails each retry": {[]config.Step{served.call("/failing", 1, 2)}, 502, 3},
		"peer hangs":            {[]config.Step{served.call("/hanging", 1, 0)}, 504, 1},
		"peer refuses":          {[]config.Step{refusing}, 503, 0},
		"never called":          {[]config.Step{served.call("/failing", 0, 0)}, 200, 0},
		"one of a parallel":     {[]config.Step{{Parallel: []config.Step{served.call("/a", 1, 0), served.call("/failing", 1, 0), served.call("/b", 1, 0)}}}, 502, 3},
	} {
		t.Run(name, func(t *testing.T) {
			served.called = nil
			err := newEngine(t).Run(context.Background(), test.steps, new(Findings))
			if got := failure.Status(err); got != test.status || len(served.called) != test.calls {
				t.Errorf("got %d (%v) and the calls %v", got, err, served.called)
			}
		})
	}
}

func TestRequestOutOfTimeIs504(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	for name, step := range map[string]config.Step{
		"sleep":   {Sleep: &config.Distribution{Median: 60}},
		"compute": {Compute: &config.Distribution{Median: 60}},
	} {
		if got := failure.Status(newEngine(t).Run(ctx, []config.Step{step}, new(Findings))); got != http.StatusGatewayTimeout {
			t.Errorf("%s: got %d", name, got)
		}
	}
}

func TestPayloadAndTraceArePassedOn(t *testing.T) {
	served := newPeers(t)
	span := trace.NewContext()
	ctx := trace.With(context.Background(), span)
	steps := []config.Step{served.call("/a", 1, 0)}
	engine := newEngine(t)
	for _, body := range []string{"", `{"id":"x"}`} {
		if err := engine.Run(payload.With(ctx, payload.Payload{Raw: []byte(body)}), steps, new(Findings)); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"GET/a", "POST/a"}; !slices.Equal(served.called, want) || served.bodies[1] != `{"id":"x"}` {
		t.Errorf("got %v with %v, want %v", served.called, served.bodies, want)
	}
	for _, header := range served.traces {
		if parent, ok := trace.Parse(header); !ok || parent.TraceID != span.TraceID || parent.SpanID == span.SpanID {
			t.Errorf("traceparent %q in the trace %s", header, span)
		}
	}
}

func TestSameKeyMakesTheSameCalls(t *testing.T) {
	served := newPeers(t)
	var steps []config.Step
	for _, path := range []string{"/a", "/b", "/c", "/d"} {
		steps = append(steps, served.call(path, 0.5, 0), config.Step{Parallel: []config.Step{served.call(path+"1", 0.5, 0)}})
	}
	runs := map[uint64][]string{}
	engine := newEngine(t)
	for range 2 {
		for ordinal := range uint64(10) {
			served.called = nil
			ctx := seeded.With(context.Background(), seeded.NewKey(42, "gateway").Child(ordinal))
			if err := engine.Run(ctx, steps, new(Findings)); err != nil {
				t.Fatal(err)
			}
			if before, again := runs[ordinal]; again && !slices.Equal(before, served.called) {
				t.Errorf("request %d called %v, then %v", ordinal, before, served.called)
			}
			runs[ordinal] = served.called
		}
	}
	if slices.Equal(runs[0], runs[1]) && slices.Equal(runs[1], runs[2]) {
		t.Errorf("all requests make the same calls %v", runs[0])
	}
}

func TestComputeUsesCPUTime(t *testing.T) {
	const amount = 20 * time.Millisecond
	started := time.Now()
	if err := compute(context.Background(), config.Distribution{Median: config.Seconds(amount.Seconds())}); err != nil {
		t.Fatal(err)
	}
	if passed := time.Since(started); passed < amount {
		t.Errorf("it took %s, less than the CPU time it was to use", passed)
	}
}
