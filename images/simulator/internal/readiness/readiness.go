// Package readiness knows whether a process can do its work: the state of its dependencies, whether it is stopping,
// and what it says at /readyz.
package readiness

import (
	"context"
	"encoding/json"
	"net/http"
	"sort"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/metrics"
)

const (
	checkEvery   = 5 * time.Second
	checkTimeout = 3 * time.Second
)

// Status is the state of one dependency.
type Status struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Up    bool   `json:"up"`
	Error string `json:"error,omitempty"`
}

// Report is the body of /readyz.
type Report struct {
	Ready        bool              `json:"ready"`
	Reasons      []string          `json:"reasons,omitempty"`
	Dependencies []Status          `json:"dependencies"`
	Notes        map[string]string `json:"notes,omitempty"`
}

type dependency struct {
	Status
	decides bool
	check   func(context.Context) error
}

// Registry holds the dependencies of a process. It is safe for concurrent use.
type Registry struct {
	mutex        sync.Mutex
	dependencies map[string]*dependency
	blockers     []func() string
	notes        map[string]string
	draining     bool
	up           *prometheus.GaugeVec
}

// New is a registry without dependencies, which is ready; dependency_up{dependency,kind} in registry shows their states.
func New(registry prometheus.Registerer) *Registry {
	return &Registry{
		dependencies: map[string]*dependency{},
		notes:        map[string]string{},
		up:           metrics.Gauge(registry, "dependency_up", "1 if the dependency answered last time, else 0.", "dependency", "kind"),
	}
}

// Require adds a dependency without which the process is not ready. Run calls check every few seconds; until its first
// answer the dependency counts as down.
func (r *Registry) Require(name, kind string, check func(context.Context) error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.dependencies[kind+"/"+name] = &dependency{Status{name, kind, false, "not checked yet"}, true, check}
	r.up.WithLabelValues(name, kind).Set(0)
}

// Observe reports the latest outcome of using a dependency that does not decide about readiness, such as a called service.
func (r *Registry) Observe(name, kind string, err error) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	known := r.dependencies[kind+"/"+name]
	if known == nil {
		known = &dependency{Status: Status{Name: name, Kind: kind}}
		r.dependencies[kind+"/"+name] = known
	}
	r.record(known, err)
}

// Block adds a condition: the process is not ready while reason gives a text.
func (r *Registry) Block(reason func() string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.blockers = append(r.blockers, reason)
}

// Note shows a text at /readyz without deciding about readiness; an empty text removes it.
func (r *Registry) Note(name, text string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if text == "" {
		delete(r.notes, name)
		return
	}
	r.notes[name] = text
}

// Drain makes the process not ready for good: it is stopping.
func (r *Registry) Drain() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.draining = true
}

// Run checks the required dependencies until ctx is done.
func (r *Registry) Run(ctx context.Context) {
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for {
		r.Check(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Check asks each required dependency once, all at the same time.
func (r *Registry) Check(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var group sync.WaitGroup
	for _, checked := range r.required() {
		group.Go(func() {
			err := checked.check(ctx)
			r.mutex.Lock()
			defer r.mutex.Unlock()
			r.record(checked, err)
		})
	}
	group.Wait()
}

func (r *Registry) required() []*dependency {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var list []*dependency
	for _, known := range r.dependencies {
		if known.check != nil {
			list = append(list, known)
		}
	}
	return list
}

func (r *Registry) record(known *dependency, err error) {
	known.Up, known.Error = err == nil, ""
	value := 1.0
	if err != nil {
		known.Error, value = err.Error(), 0
	}
	r.up.WithLabelValues(known.Name, known.Kind).Set(value)
}

// Report is the state now.
func (r *Registry) Report() Report {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	report := Report{Dependencies: []Status{}, Notes: map[string]string{}}
	for name, text := range r.notes {
		report.Notes[name] = text
	}
	for _, known := range r.dependencies {
		report.Dependencies = append(report.Dependencies, known.Status)
		if known.decides && !known.Up {
			report.Reasons = append(report.Reasons, known.Kind+" "+known.Name+" is down")
		}
	}
	for _, reason := range r.blockers {
		if text := reason(); text != "" {
			report.Reasons = append(report.Reasons, text)
		}
	}
	if r.draining {
		report.Reasons = append(report.Reasons, "stopping")
	}
	sort.Strings(report.Reasons)
	sort.Slice(report.Dependencies, func(i, j int) bool {
		a, b := report.Dependencies[i], report.Dependencies[j]
		return a.Kind+"/"+a.Name < b.Kind+"/"+b.Name
	})
	report.Ready = len(report.Reasons) == 0
	return report
}

// ServeHTTP answers /readyz: 200 or 503 with the report.
func (r *Registry) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	report := r.Report()
	w.Header().Set("Content-Type", "application/json")
	if !report.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	// The prober may have hung up, which is its own affair.
	_ = json.NewEncoder(w).Encode(report)
}
