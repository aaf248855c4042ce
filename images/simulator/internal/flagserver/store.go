// Package flagserver serves the inner fault flags of a simulation to its services.
package flagserver

import (
	"fmt"
	"hash/fnv"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/readiness"
)

// document is the content of flags.json.
type document struct {
	Flags []setting `json:"flags"`
}

type setting struct {
	Service string  `json:"service"`
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
}

// store holds the last good document.
type store struct {
	log       *slog.Logger
	readiness *readiness.Registry
	documents *prometheus.CounterVec
	gauge     *prometheus.GaugeVec

	mutex   sync.Mutex
	loaded  bool
	last    string
	current []setting
	changed chan struct{}
}

const refusedNote = "refused"

func newStore(registry prometheus.Registerer, ready *readiness.Registry, log *slog.Logger) *store {
	s := &store{
		log: log, readiness: ready, changed: make(chan struct{}),
		documents: metrics.Counter(registry, "flag_documents_total", "Versions of flags.json by what became of them.", "outcome"),
		gauge:     metrics.Gauge(registry, "flags_set", "Values of the flags that are set, by the service they are meant for.", "target", "flag"),
	}
	for _, outcome := range []string{"accepted", "refused"} {
		s.documents.WithLabelValues(outcome)
	}
	ready.Block(func() string {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		if !s.loaded {
			return "the flags have not been read yet"
		}
		return ""
	})
	return s
}

// offer takes a version of flags.json; a wrong one is refused and leaves the last good one in force. Absent flags are an
// empty text.
func (s *store) offer(text string) {
	parsed, err := parse(text)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	seen := s.loaded && text == s.last
	s.loaded, s.last = true, text
	if seen {
		return
	}
	if err != nil {
		s.documents.WithLabelValues("refused").Inc()
		s.readiness.Note(refusedNote, "flags.json: "+err.Error()+"; the last good flags stay in force")
		s.log.Error("flags.json was refused; the last good flags stay in force", "error", err.Error())
		return
	}
	s.documents.WithLabelValues("accepted").Inc()
	s.readiness.Note(refusedNote, "")
	s.log.Info("flags changed", "flags", parsed)
	s.gauge.Reset()
	for _, one := range parsed {
		s.gauge.WithLabelValues(one.Service, one.Name).Set(one.Value)
	}
	s.current = parsed
	close(s.changed)
	s.changed = make(chan struct{})
}

// answer is what one service is told now, and a channel that is closed when any flag changes.
func (s *store) answer(service string) (flags.Answer, <-chan struct{}) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	values := map[string]float64{}
	for _, target := range []string{flags.Everyone, service} {
		for _, one := range s.current {
			if one.Service == target {
				values[one.Name] = one.Value
			}
		}
	}
	answer := flags.Answer{Flags: []flags.Flag{}}
	digest := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(values)) {
		answer.Flags = append(answer.Flags, flags.Flag{Name: name, Value: values[name]})
		fmt.Fprintf(digest, "%s=%g;", name, values[name])
	}
	answer.Revision = strconv.FormatUint(digest.Sum64(), 16)
	return answer, s.changed
}

func parse(text string) ([]setting, error) {
	if text == "" {
		return nil, nil
	}
	var parsed document
	if err := config.Decode([]byte(text), &parsed); err != nil {
		return nil, err
	}
	type identity struct{ service, name string }
	seen := map[identity]bool{}
	for i, one := range parsed.Flags {
		place := fmt.Sprintf("flags[%d]", i)
		limits, known := flags.Known[one.Name]
		switch {
		case one.Service == "":
			return nil, &config.Error{Field: place + ".service", Reason: "is required"}
		case !known:
			return nil, &config.Error{Field: place + ".name", Reason: fmt.Sprintf("there is no flag %q", one.Name)}
		case one.Value < limits.Low || one.Value > limits.High:
			return nil, &config.Error{Field: place + ".value", Reason: fmt.Sprintf("%g is not between %g and %g", one.Value, limits.Low, limits.High)}
		case seen[identity{one.Service, one.Name}]:
			return nil, &config.Error{Field: place, Reason: fmt.Sprintf("%s is set twice for %s", one.Name, one.Service)}
		}
		seen[identity{one.Service, one.Name}] = true
	}
	return parsed.Flags, nil
}
