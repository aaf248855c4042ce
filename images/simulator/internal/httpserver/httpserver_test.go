package httpserver

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"firedrill.dev/simulator/internal/failure"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/readiness"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/trace"
)

func makeServer(out io.Writer, share float64, set ...flags.Flag) *Server {
	registry := prometheus.NewRegistry()
	held := flags.NewSet()
	held.Replace(set)
	return New(Options{
		Key: seeded.NewKey(1, "service"), LogSample: share, Flags: held, Readiness: readiness.New(registry),
		Registry: registry, Tracer: trace.NewTracer(nil), Log: slog.New(slog.NewJSONHandler(out, nil)),
	})
}

func statuses(t *testing.T, server *Server, requests int) map[int]int {
	t.Helper()
	listening := httptest.NewServer(server.Handler())
	defer listening.Close()
	counts := map[int]int{}
	for range requests {
		response, err := http.Get(listening.URL + "/work")
		if err != nil {
			counts[0]++
			continue
		}
		response.Body.Close()
		counts[response.StatusCode]++
	}
	return counts
}

func TestRequestFlags(t *testing.T) {
	const requests = 200
	for name, test := range map[string]struct {
		flag      flags.Flag
		status    int
		low, high int
	}{
		"none":             {flags.Flag{Name: flags.LogStorm, Value: 1}, 200, requests, requests},
		"every fails":      {flags.Flag{Name: flags.Failure, Value: 1}, 500, requests, requests},
		"half fail":        {flags.Flag{Name: flags.Failure, Value: 0.5}, 500, requests * 3 / 10, requests * 7 / 10},
		"unreachable":      {flags.Flag{Name: flags.Unreachable, Value: 1}, 0, requests, requests},
		"throttle refuses": {flags.Flag{Name: flags.Throttle, Value: 2}, 429, requests / 2, requests - 1},
		"throttle allows":  {flags.Flag{Name: flags.Throttle, Value: 100000}, 429, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			server := makeServer(io.Discard, 0, test.flag)
			server.Handle("/work", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			counts := statuses(t, server, requests)
			if got := counts[test.status]; got < test.low || got > test.high {
				t.Errorf("got %v, want %d to %d of %d", counts, test.low, test.high, test.status)
			}
		})
	}
}

func TestSameSeedFailsTheSameRequests(t *testing.T) {
	var runs [2]string
	for i := range runs {
		server := makeServer(io.Discard, 0, flags.Flag{Name: flags.Failure, Value: 0.5})
		server.Handle("/work", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		for range 64 {
			recorded := httptest.NewRecorder()
			server.Handler().ServeHTTP(recorded, httptest.NewRequest("GET", "/work", nil))
			runs[i] += recorded.Result().Status[:1]
		}
	}
	if runs[0] != runs[1] || !strings.Contains(runs[0], "5") || !strings.Contains(runs[0], "2") {
		t.Errorf("got %s and %s", runs[0], runs[1])
	}
}

func TestCountersOfEveryRouteBeginAtZero(t *testing.T) {
	server := makeServer(io.Discard, 0)
	server.Handle("GET /work", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	begun := testutil.CollectAndCount(server.requests)
	for _, code := range []string{"200", "500", "502", "503", "504"} {
		if server.requests.WithLabelValues("/work", code); testutil.CollectAndCount(server.requests) != begun {
			t.Errorf("%s was not there from the start", code)
		}
	}
}

func TestSlowFlagDelaysTheRequest(t *testing.T) {
	const delay = 0.05
	server := makeServer(io.Discard, 0, flags.Flag{Name: flags.Slow, Value: delay})
	server.Handle("/work", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	started := time.Now()
	server.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/work", nil))
	if passed := time.Since(started).Seconds(); passed < delay {
		t.Errorf("the request took %g s", passed)
	}
}

func TestRequestsAreCountedByRouteAndCodeAndLogged(t *testing.T) {
	cause := errors.New("ledger answered 500")
	for name, test := range map[string]struct {
		err    error
		share  float64
		code   string
		logged string
	}{
		"sampled success":   {nil, 1, "200", `"level":"INFO"`},
		"unsampled success": {nil, 0, "200", ""},
		"bad gateway":       {failure.New(http.StatusBadGateway, cause), 0, "502", `"error":"ledger answered 500"`},
		"timeout":           {failure.Unavailable(context.DeadlineExceeded), 0, "504", `"level":"ERROR"`},
		"unavailable":       {failure.Unavailable(cause), 0, "503", `"level":"ERROR"`},
		"own error":         {cause, 0, "500", `"level":"ERROR"`},
		"bad request":       {failure.New(http.StatusBadRequest, cause), 0, "400", `"level":"WARN"`},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			server := makeServer(&out, test.share)
			server.Handle("POST /work/{id}", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if test.err != nil {
					Fail(w, test.err)
				}
			}))
			request := httptest.NewRequest("POST", "/work/7", nil)
			request.Header.Set(trace.Header, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
			server.Handler().ServeHTTP(httptest.NewRecorder(), request)
			if counted := testutil.ToFloat64(server.requests.WithLabelValues("/work/{id}", test.code)); counted != 1 {
				t.Errorf("it was counted %g times as %s", counted, test.code)
			}
			line := out.String()
			if test.logged == "" {
				if line != "" {
					t.Errorf("it was logged: %s", line)
				}
				return
			}
			if !strings.Contains(line, test.logged) || !strings.Contains(line, "0af7651916cd43dd8448eb211c80319c") {
				t.Errorf("the log says %s", line)
			}
		})
	}
}

func TestStoppingServerFinishesRequestsInFlight(t *testing.T) {
	server := makeServer(io.Discard, 0)
	arrived, finish := make(chan struct{}), make(chan struct{})
	server.Handle("/work", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-finish
		_, _ = io.WriteString(w, "done") // checked on the other side
	}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error)
	go func() { served <- server.Serve(ctx, listener) }()
	answers := make(chan string)
	go func() {
		response, err := http.Get("http://" + listener.Addr().String() + "/work")
		if err != nil {
			answers <- err.Error()
			return
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			answers <- err.Error()
			return
		}
		answers <- string(body)
	}()
	<-arrived
	stop()
	for server.Readiness.Report().Ready {
		time.Sleep(time.Millisecond)
	}
	close(finish)
	if answer := <-answers; answer != "done" {
		t.Errorf("the request in flight got %q", answer)
	}
	if err := <-served; err != nil {
		t.Errorf("serving ended with %v", err)
	}
}
