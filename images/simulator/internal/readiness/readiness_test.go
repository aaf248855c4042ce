package readiness

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestReadyz(t *testing.T) {
	down := errors.New("connection refused")
	for name, test := range map[string]struct {
		prepare func(*Registry)
		checked bool
		ready   bool
		status  int
	}{
		"nothing needed":          {func(*Registry) {}, true, true, 200},
		"not checked yet":         {func(r *Registry) { r.Require("ledger", "postgres", func(context.Context) error { return nil }) }, false, false, 503},
		"dependency up":           {func(r *Registry) { r.Require("ledger", "postgres", func(context.Context) error { return nil }) }, true, true, 200},
		"dependency down":         {func(r *Registry) { r.Require("ledger", "postgres", func(context.Context) error { return down }) }, true, false, 503},
		"called service down":     {func(r *Registry) { r.Observe("fraud", "service", down) }, true, true, 200},
		"blocked":                 {func(r *Registry) { r.Block(func() string { return "a flag" }) }, true, false, 503},
		"a block that is lifted":  {func(r *Registry) { r.Block(func() string { return "" }) }, true, true, 200},
		"a note does not decide":  {func(r *Registry) { r.Note("flags", "refused") }, true, true, 200},
		"stopping in good health": {func(r *Registry) { r.Drain() }, true, false, 503},
	} {
		t.Run(name, func(t *testing.T) {
			registry := New(prometheus.NewRegistry())
			test.prepare(registry)
			if test.checked {
				registry.Check(context.Background())
			}
			recorder := httptest.NewRecorder()
			registry.ServeHTTP(recorder, nil)
			var report Report
			if err := json.Unmarshal(recorder.Body.Bytes(), &report); err != nil {
				t.Fatal(err)
			}
			if report.Ready != test.ready || recorder.Code != test.status || report.Ready != (len(report.Reasons) == 0) {
				t.Errorf("got %d %+v", recorder.Code, report)
			}
		})
	}
}

func TestDependencyGoesDownAndComesBack(t *testing.T) {
	registry := New(prometheus.NewRegistry())
	var state error
	registry.Require("kafka", "kafka", func(context.Context) error { return state })
	for _, next := range []error{nil, errors.New("no broker"), nil} {
		state = next
		registry.Check(context.Background())
		shown := registry.Report().Dependencies[0]
		if shown.Up != (next == nil) || (next != nil && shown.Error != next.Error()) {
			t.Errorf("with %v it says %+v", next, shown)
		}
		if value := testutil.ToFloat64(registry.up.WithLabelValues("kafka", "kafka")); (value == 1) != (next == nil) {
			t.Errorf("with %v dependency_up is %g", next, value)
		}
	}
}
