package trace

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestParse(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for name, test := range map[string]struct {
		header string
		ok     bool
	}{
		"good":            {good, true},
		"later version":   {"01" + good[2:] + "-more", true},
		"absent":          {"", false},
		"forbidden":       {"ff" + good[2:], false},
		"short":           {good[:54], false},
		"not hex":         {"00-zaf7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
		"zero trace":      {"00-00000000000000000000000000000000-b7ad6b7169203331-01", false},
		"zero span":       {"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false},
		"wrong separator": {"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
	} {
		t.Run(name, func(t *testing.T) {
			parsed, ok := Parse(test.header)
			if ok != test.ok {
				t.Fatalf("got ok %v", ok)
			}
			if ok && parsed.TraceHex()+parsed.SpanHex() != good[3:35]+good[36:52] {
				t.Errorf("got %s", parsed)
			}
		})
	}
}

func TestSampledIsAShareOfTracesAndTheSameForAllSpans(t *testing.T) {
	const traces = 20_000
	sampled := 0
	for range traces {
		root := NewContext()
		if root.Sampled(0.1) != root.Child().Sampled(0.1) {
			t.Fatal("two spans of a trace disagree")
		}
		if root.Sampled(0.1) {
			sampled++
		}
	}
	if math.Abs(float64(sampled)/traces-0.1) > 0.02 {
		t.Errorf("%d of %d traces were sampled", sampled, traces)
	}
}

func TestSpansArriveAsOTLP(t *testing.T) {
	received := make(chan otlpRequest, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var request otlpRequest
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		received <- request
	}))
	defer collector.Close()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	exporter := NewExporter(collector.URL+"/", map[string]string{"service.name": "gateway"}, prometheus.NewRegistry(), log)
	tracer := NewTracer(exporter)
	ctx, server := tracer.Start(context.Background(), "GET /pay", Server)
	_, client := tracer.Start(ctx, "call ledger", Client)
	client.Set("peer.service", "ledger")
	client.End(errors.New("no answer"))
	server.End(nil)
	stopped, stop := context.WithCancel(context.Background())
	stop()
	exporter.Run(stopped)
	request := <-received
	spans := request.ResourceSpans[0].ScopeSpans[0].Spans
	if len(spans) != 2 || request.ResourceSpans[0].Resource.Attributes[0].Value.Text != "gateway" {
		t.Fatalf("got %+v", request)
	}
	child, parent := spans[0], spans[1]
	if child.TraceID != parent.TraceID || child.ParentSpanID != parent.SpanID || parent.ParentSpanID != "" {
		t.Errorf("the spans do not belong together: %+v", spans)
	}
	if child.Status == nil || child.Status.Code != statusError || parent.Status != nil {
		t.Errorf("statuses: %+v, %+v", child.Status, parent.Status)
	}
}
