package trace

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/metrics"
)

const (
	exportEvery   = 2 * time.Second
	exportTimeout = 5 * time.Second
	queueLength   = 2048
	batchLength   = 512
)

// Exporter sends ended spans in batches to an OTLP/HTTP receiver, as JSON. A full queue or a failing receiver loses
// spans, never requests; otlp_spans_total{outcome} counts both.
type Exporter struct {
	url      string
	resource []keyValue
	queue    chan otlpSpan
	client   *http.Client
	spans    *prometheus.CounterVec
	log      *slog.Logger
}

// NewExporter makes an exporter to the receiver at base, such as http://collector:4318; Run does the sending.
func NewExporter(base string, resource map[string]string, registry prometheus.Registerer, log *slog.Logger) *Exporter {
	return &Exporter{
		url:      strings.TrimSuffix(base, "/") + "/v1/traces",
		resource: keyValues(resource),
		queue:    make(chan otlpSpan, queueLength),
		client:   &http.Client{Timeout: exportTimeout},
		spans:    metrics.Counter(registry, "otlp_spans_total", "Spans by what became of them.", "outcome"),
		log:      log,
	}
}

func (e *Exporter) add(span *Span, end time.Time, err error) {
	wire := otlpSpan{
		TraceID: span.TraceHex(), SpanID: span.SpanHex(), Name: span.name, Kind: span.kind,
		Start: strconv.FormatInt(span.start.UnixNano(), 10), End: strconv.FormatInt(end.UnixNano(), 10),
		Attributes: keyValues(span.attributes),
	}
	if span.parent != [8]byte{} {
		wire.ParentSpanID = hex.EncodeToString(span.parent[:])
	}
	if err != nil {
		wire.Status = &otlpStatus{Code: statusError, Message: err.Error()}
	}
	select {
	case e.queue <- wire:
	default:
		e.spans.WithLabelValues("dropped").Inc()
	}
}

// Run sends spans until ctx is done, and then what is still queued.
func (e *Exporter) Run(ctx context.Context) {
	ticker := time.NewTicker(exportEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			e.flush()
			return
		case <-ticker.C:
			e.flush()
		}
	}
}

func (e *Exporter) flush() {
	for {
		batch := e.take()
		if len(batch) == 0 {
			return
		}
		if err := e.send(batch); err != nil {
			e.spans.WithLabelValues("failed").Add(float64(len(batch)))
			e.log.Warn("spans were not exported", "error", err.Error(), "spans", len(batch))
			return
		}
		e.spans.WithLabelValues("exported").Add(float64(len(batch)))
	}
}

func (e *Exporter) take() []otlpSpan {
	var batch []otlpSpan
	for len(batch) < batchLength {
		select {
		case span := <-e.queue:
			batch = append(batch, span)
		default:
			return batch
		}
	}
	return batch
}

func (e *Exporter) send(batch []otlpSpan) error {
	scope := otlpScopeSpans{Spans: batch}
	scope.Scope.Name = "firedrill.dev/simulator"
	resource := otlpResourceSpans{ScopeSpans: []otlpScopeSpans{scope}}
	resource.Resource.Attributes = e.resource
	body, err := json.Marshal(otlpRequest{[]otlpResourceSpans{resource}})
	if err != nil {
		return err
	}
	response, err := e.client.Post(e.url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		return fmt.Errorf("%s answered %s", e.url, response.Status)
	}
	return nil
}
