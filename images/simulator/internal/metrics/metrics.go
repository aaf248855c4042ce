// Package metrics makes the Prometheus registry of a process and the parts that several packages share.
package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Buckets of durations of requests, in seconds.
var Buckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// AgeBuckets are buckets of the ages of messages, in seconds.
var AgeBuckets = []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300}

// Codes of requests, for FromZero.
var (
	// Answered are the statuses of the simulator's own successes and failures.
	Answered = []string{"200", "500", "502", "503", "504"}
	// Unanswered are what a caller counts where no status came.
	Unanswered = []string{"timeout", "unreachable"}
)

// New is a registry with the basics of the process and the Go runtime.
func New() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	// Of the many metrics of Go's memory the process's resident memory says enough; there are hundreds of processes to scrape.
	golang := collectors.NewGoCollector(collectors.WithGoCollectorMemStatsMetricsDisabled())
	registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), golang)
	return registry
}

// Counter makes and registers counters with labels.
func Counter(registry prometheus.Registerer, name, help string, labels ...string) *prometheus.CounterVec {
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	registry.MustRegister(counter)
	return counter
}

// FromZero makes the counters of each code exist before they count, with the code as the last label. Of a counter that is
// seen at N for the first time, an increase knows nothing of these N.
func FromZero(counter *prometheus.CounterVec, codes []string, labels ...string) {
	for _, code := range codes {
		counter.WithLabelValues(append(slices.Clone(labels), code)...)
	}
}

// Gauge makes and registers gauges with labels.
func Gauge(registry prometheus.Registerer, name, help string, labels ...string) *prometheus.GaugeVec {
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	registry.MustRegister(gauge)
	return gauge
}

// Histogram makes and registers histograms with labels.
func Histogram(registry prometheus.Registerer, name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	histogram := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	registry.MustRegister(histogram)
	return histogram
}
