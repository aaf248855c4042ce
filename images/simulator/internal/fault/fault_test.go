package fault

import (
	"context"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sys/unix"

	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/logs"
	"firedrill.dev/simulator/internal/readiness"
)

func cpuTime(t *testing.T) time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func TestHighCPUUsesCPU(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { burn(ctx, 1); close(done) }()
	deadline := time.After(30 * time.Second)
	for begin := cpuTime(t); cpuTime(t)-begin < 100*time.Millisecond; {
		select {
		case <-deadline:
			t.Fatal("hardly any CPU time was used")
		case <-time.After(5 * time.Millisecond):
		}
	}
	cancel()
	<-done
}

func TestDiskFillWritesUntilTheFlagIsOff(t *testing.T) {
	scratch := t.TempDir()
	t.Setenv("TMPDIR", scratch)
	written := func() (size int64) {
		entries, err := os.ReadDir(scratch)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if info, err := entry.Info(); err == nil {
				size += info.Size()
			}
		}
		return size
	}
	faults := New(flags.NewSet(), readiness.New(prometheus.NewRegistry()), nil, slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { faults.fill(ctx, 100); close(done) }()
	deadline := time.After(30 * time.Second)
	for written() < 3*mebibyte {
		select {
		case <-deadline:
			t.Fatal("nothing is written")
		case <-time.After(5 * time.Millisecond):
		}
	}
	cancel()
	<-done
	if left := written(); left != 0 {
		t.Errorf("%d bytes are left", left)
	}
}

func TestFailedReadinessFlag(t *testing.T) {
	registry := prometheus.NewRegistry()
	set, ready := flags.NewSet(), readiness.New(registry)
	New(set, ready, nil, slog.New(slog.NewTextHandler(io.Discard, nil)))
	for _, value := range []float64{0, 1, 0} {
		set.Replace([]flags.Flag{{Name: flags.FailedReadiness, Value: value}})
		if got := ready.Report().Ready; got != (value == 0) {
			t.Errorf("with the flag at %g ready is %v", value, got)
		}
	}
}

func TestStormAndFloodWriteLines(t *testing.T) {
	for name, wanted := range map[string][]string{
		flags.LogStorm:   {"log_lines_total"},
		flags.AuditFlood: {"log_lines_total", "audit_events_total"},
	} {
		t.Run(name, func(t *testing.T) {
			registry := prometheus.NewRegistry()
			audit := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "audit_events_total"}, []string{"kind"})
			registry.MustRegister(audit)
			set := flags.NewSet()
			faults := New(set, readiness.New(registry), audit, logs.New(io.Discard, "service", registry))
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() { faults.Run(ctx); close(done) }()
			set.Replace([]flags.Flag{{Name: name, Value: 1000}})
			deadline := time.After(30 * time.Second)
			for _, metric := range wanted {
				for testutil.CollectAndCount(registry, metric) == 0 || value(t, registry, metric) < 100 {
					select {
					case <-deadline:
						t.Fatalf("%s does not grow", metric)
					case <-time.After(5 * time.Millisecond):
					}
				}
			}
			cancel()
			<-done
		})
	}
}

func value(t *testing.T, registry *prometheus.Registry, name string) (sum float64) {
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			for _, metric := range family.GetMetric() {
				sum += metric.GetCounter().GetValue()
			}
		}
	}
	return sum
}
