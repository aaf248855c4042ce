package peer

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/readiness"
	"firedrill.dev/simulator/internal/trace"
)

func newClient(t *testing.T) *Client {
	t.Helper()
	registry := prometheus.NewRegistry()
	client := New(registry, readiness.New(registry), trace.NewTracer(nil))
	t.Cleanup(client.Close)
	return client
}

func TestCallsAreCountedByPeerRouteAndCode(t *testing.T) {
	serving := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/failing":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/hanging":
			<-r.Context().Done()
		}
	}))
	defer serving.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, test := range map[string]struct{ base, path, code string }{
		"answered":  {serving.URL, "/entries", "200"},
		"failing":   {serving.URL, "/failing", "503"},
		"hanging":   {serving.URL, "/hanging", "timeout"},
		"not there": {gone.URL, "/entries", "unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t)
			call := &config.Call{Service: "ledger", URL: test.base + test.path, Timeout: 0.1}
			client.Announce(call)
			begun := testutil.CollectAndCount(client.requests)
			if err := client.Call(context.Background(), call); (err == nil) != (test.code == "200") {
				t.Errorf("got %v", err)
			}
			if counted := testutil.ToFloat64(client.requests.WithLabelValues("ledger", test.path, test.code)); counted != 1 {
				t.Errorf("%s of %s was counted %g times", test.code, test.path, counted)
			}
			if now := testutil.CollectAndCount(client.requests); now != begun {
				t.Errorf("%d counters were not there from the start", now-begun)
			}
		})
	}
}
