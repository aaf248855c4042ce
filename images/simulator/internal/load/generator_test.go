package load

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/payment"
)

func generate(t *testing.T, configuration *config.Load, set []flags.Flag, enough <-chan struct{}) *generator {
	t.Helper()
	registry := prometheus.NewRegistry()
	held := flags.NewSet()
	held.Replace(set)
	made := newGenerator(configuration, held, registry, slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	go func() {
		select {
		case <-enough:
		case <-ctx.Done():
			t.Error("the load did not get on")
		}
		cancel()
	}()
	made.run(ctx)
	return made
}

// target answers with status and closes enough after a number of requests; ids are the payments in the order they came.
type target struct {
	mutex  sync.Mutex
	ids    []string
	wanted int
	enough chan struct{}
	block  chan struct{}
	status int
}

func (s *target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var sent payment.Payment
	body, err := io.ReadAll(r.Body)
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, &sent)
	}
	s.mutex.Lock()
	if err == nil && r.Header.Get("traceparent") != "" {
		s.ids = append(s.ids, sent.ID)
	}
	if len(s.ids) == s.wanted {
		close(s.enough)
	}
	s.mutex.Unlock()
	if s.block != nil {
		<-s.block
	}
	w.WriteHeader(s.status)
}

func TestSameSeedSendsTheSamePayments(t *testing.T) {
	const wanted = 50
	var runs [2][]string
	for i := range runs {
		served := &target{wanted: wanted, enough: make(chan struct{}), status: http.StatusOK}
		server := httptest.NewServer(served)
		generate(t, &config.Load{Name: "load", Seed: 9, Rate: 200, Entries: []config.Entry{{Name: "pay", URL: server.URL, Weight: 1, Body: config.PaymentBody}}},
			nil, served.enough)
		server.Close()
		runs[i] = served.ids[:wanted-10] // the last ones may have overtaken each other
		slices.Sort(runs[i])
	}
	common := 0
	for _, id := range runs[0] {
		if slices.Contains(runs[1], id) {
			common++
		}
	}
	if common < wanted-20 {
		t.Errorf("only %d payments are the same: %v %v", common, runs[0], runs[1])
	}
}

func TestArrivalsBeyondTheCapAreDroppedAndCounted(t *testing.T) {
	served := &target{wanted: 2, enough: make(chan struct{}), block: make(chan struct{}), status: http.StatusOK}
	server := httptest.NewServer(served)
	defer server.Close()
	configuration := &config.Load{Name: "load", Rate: 500, MaxInFlight: 2, Entries: []config.Entry{{Name: "get", URL: server.URL, Weight: 1}}}
	registry := prometheus.NewRegistry()
	made := newGenerator(configuration, flags.NewSet(), registry, slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { made.run(ctx); close(done) }()
	<-served.enough
	for testutil.ToFloat64(made.dropped) < 10 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	close(served.block)
	<-done
	if sent := testutil.ToFloat64(made.requests.WithLabelValues("get", "200")); sent != 2 {
		t.Errorf("%g requests were sent, want the 2 that fit", sent)
	}
	if failed := testutil.ToFloat64(made.requests.WithLabelValues("get", droppedCode)); failed != testutil.ToFloat64(made.dropped) {
		t.Errorf("%g dropped requests count as failed, want all", failed)
	}
}

func TestDurationsCountFromTheIntendedStart(t *testing.T) {
	registry := prometheus.NewRegistry()
	served := &target{enough: make(chan struct{}), status: http.StatusServiceUnavailable}
	server := httptest.NewServer(served)
	defer server.Close()
	configuration := &config.Load{Name: "load", Rate: 1, Entries: []config.Entry{{Name: "get", URL: server.URL, Weight: 1}}}
	made := newGenerator(configuration, flags.NewSet(), registry, slog.New(slog.NewTextHandler(io.Discard, nil)))
	made.send(time.Now().Add(-3*time.Second), &configuration.Entries[0], made.key)
	if failed := testutil.ToFloat64(made.requests.WithLabelValues("get", "503")); failed != 1 {
		t.Errorf("503 was counted %g times", failed)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == "load_request_duration_seconds" && family.GetMetric()[0].GetHistogram().GetSampleSum() < 3 {
			t.Errorf("the 3 seconds that the request was late are missing: %v", family)
		}
	}
}

func TestWhatGetsNoAnswerIsNoFastAnswer(t *testing.T) {
	hanging := &target{enough: make(chan struct{}), block: make(chan struct{}), status: http.StatusOK}
	serving := httptest.NewServer(hanging)
	defer serving.Close()
	defer close(hanging.block)
	gone := httptest.NewServer(hanging)
	gone.Close()
	for name, test := range map[string]struct{ url, code string }{
		"cut off": {gone.URL, "unreachable"},
		"hanging": {serving.URL, "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			configuration := &config.Load{Name: "load", Rate: 1, Timeout: 0.05, Entries: []config.Entry{{Name: "get", URL: test.url, Weight: 1}}}
			made := newGenerator(configuration, flags.NewSet(), registry, slog.New(slog.NewTextHandler(io.Discard, nil)))
			made.send(time.Now(), &configuration.Entries[0], made.key)
			if counted := testutil.ToFloat64(made.requests.WithLabelValues("get", test.code)); counted != 1 {
				t.Errorf("%s was counted %g times", test.code, counted)
			}
			if durations := durationsByOutcome(t, registry); durations[answered] != 0 || durations[unanswered] != 1 {
				t.Errorf("durations are of %v", durations)
			}
		})
	}
}

func durationsByOutcome(t *testing.T, registry *prometheus.Registry) map[string]uint64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]uint64{}
	for _, family := range families {
		if family.GetName() != "load_request_duration_seconds" {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == "outcome" {
					counts[label.GetValue()] = metric.GetHistogram().GetSampleCount()
				}
			}
		}
	}
	return counts
}

func TestCountersOfEveryEntryBeginAtZero(t *testing.T) {
	registry := prometheus.NewRegistry()
	made := newGenerator(&config.Load{Name: "load", Rate: 1, Entries: []config.Entry{{Name: "a", Weight: 1}, {Name: "b", Weight: 1}}},
		flags.NewSet(), registry, slog.New(slog.NewTextHandler(io.Discard, nil)))
	begun := testutil.CollectAndCount(made.requests)
	for _, entry := range []string{"a", "b"} {
		for _, code := range []string{"200", "500", "502", "503", "504", "timeout", "unreachable", "dropped"} {
			if made.requests.WithLabelValues(entry, code); testutil.CollectAndCount(made.requests) != begun {
				t.Errorf("%s of %s was not there from the start", code, entry)
			}
		}
	}
}

func TestEntriesAreDrawnByWeight(t *testing.T) {
	registry := prometheus.NewRegistry()
	made := newGenerator(&config.Load{Name: "load", Rate: 1, Entries: []config.Entry{
		{Name: "often", Weight: 3}, {Name: "never", Weight: 0}, {Name: "seldom", Weight: 1},
	}}, flags.NewSet(), registry, slog.New(slog.NewTextHandler(io.Discard, nil)))
	drawn := map[string]int{}
	for ordinal := range uint64(4000) {
		drawn[made.pick(made.key.Child(ordinal)).Name]++
	}
	if drawn["never"] != 0 || drawn["often"] < 2800 || drawn["often"] > 3200 {
		t.Errorf("got %v", drawn)
	}
}

func TestFloodAddsToTheSchedule(t *testing.T) {
	served := &target{wanted: 100, enough: make(chan struct{}), status: http.StatusOK}
	server := httptest.NewServer(served)
	defer server.Close()
	// At this rate alone a hundred requests would take a day.
	configuration := &config.Load{Name: "load", Rate: 0.001, Entries: []config.Entry{{Name: "get", URL: server.URL, Weight: 1}}}
	generate(t, configuration, []flags.Flag{{Name: flags.FloodEntry, Value: 1e6}}, served.enough)
}
