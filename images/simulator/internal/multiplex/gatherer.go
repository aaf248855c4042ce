package multiplex

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// serviceLabel tells whose a metric is; a scrape that honours labels takes it over.
const serviceLabel = "service"

// gatherer shows the metrics of the process and, with a label more, those of each service in it.
type gatherer struct {
	own prometheus.Gatherer

	mutex    sync.Mutex
	services map[string]prometheus.Gatherer
}

func newGatherer(own prometheus.Gatherer) *gatherer {
	return &gatherer{own: own, services: map[string]prometheus.Gatherer{}}
}

func (g *gatherer) add(service string, metrics prometheus.Gatherer) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.services[service] = metrics
}

func (g *gatherer) remove(service string) {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	delete(g.services, service)
}

func (g *gatherer) size() float64 {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	return float64(len(g.services))
}

// Gather gives all metrics by name; those of a service that fails are left out, and the error says so.
func (g *gatherer) Gather() ([]*dto.MetricFamily, error) {
	g.mutex.Lock()
	services := maps.Clone(g.services)
	g.mutex.Unlock()
	merged := map[string]*dto.MetricFamily{}
	gathered, failed := g.own.Gather()
	merge(merged, gathered)
	for _, name := range slices.Sorted(maps.Keys(services)) {
		gathered, err := services[name].Gather()
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
			continue
		}
		label(gathered, name)
		merge(merged, gathered)
	}
	return slices.SortedFunc(maps.Values(merged), func(a, b *dto.MetricFamily) int {
		return cmp.Compare(a.GetName(), b.GetName())
	}), failed
}

func label(families []*dto.MetricFamily, service string) {
	name := serviceLabel
	for _, family := range families {
		for _, metric := range family.Metric {
			metric.Label = append(metric.Label, &dto.LabelPair{Name: &name, Value: &service})
		}
	}
}

func merge(into map[string]*dto.MetricFamily, families []*dto.MetricFamily) {
	for _, family := range families {
		known := into[family.GetName()]
		if known == nil {
			into[family.GetName()] = family
			continue
		}
		known.Metric = append(known.Metric, family.Metric...)
	}
}
