// Package fault does what the flags ask for that touch the whole process and no single request.
package fault

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/readiness"
)

// tick is the grain of rates.
const tick = 100 * time.Millisecond

// Faults obeys the flags highCpu, manualGc, memoryLeak, diskFill, failedReadiness, logStorm and auditFlood.
type Faults struct {
	flags *flags.Set
	log   *slog.Logger
	audit *prometheus.CounterVec
}

// New makes the faults of a process.
func New(set *flags.Set, ready *readiness.Registry, audit *prometheus.CounterVec, log *slog.Logger) *Faults {
	ready.Block(func() string {
		if set.On(flags.FailedReadiness) {
			return "not ready"
		}
		return ""
	})
	return &Faults{set, log, audit}
}

// Run follows the flags until ctx is done.
func (f *Faults) Run(ctx context.Context) {
	f.follow(ctx, map[string]func(context.Context, float64){
		flags.HighCPU:    burn,
		flags.ManualGC:   f.stopTheWorld,
		flags.MemoryLeak: leak,
		flags.DiskFill:   f.fill,
		flags.LogStorm:   f.storm,
		flags.AuditFlood: f.flood,
	})
}

// RunShared is Run without the flags by which other services in the same process would suffer.
func (f *Faults) RunShared(ctx context.Context) {
	f.follow(ctx, map[string]func(context.Context, float64){flags.LogStorm: f.storm, flags.AuditFlood: f.flood})
}

func (f *Faults) follow(ctx context.Context, acts map[string]func(context.Context, float64)) {
	var group sync.WaitGroup
	for name, act := range acts {
		group.Go(func() { f.flags.While(ctx, name, act) })
	}
	group.Wait()
}

// repeat calls act at a rate per second until ctx is done.
func repeat(ctx context.Context, rate float64, act func(ordinal int)) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	started, done := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for due := int(rate * time.Since(started).Seconds()); done < due && ctx.Err() == nil; done++ {
			act(done)
		}
	}
}

func (f *Faults) storm(ctx context.Context, rate float64) {
	repeat(ctx, rate, func(ordinal int) {
		f.log.Warn("retrying after an unexpected state of the session store", "attempt", ordinal, "state", "UNKNOWN")
	})
}

func (f *Faults) flood(ctx context.Context, rate float64) {
	alerts := f.audit.WithLabelValues("compliance-alert")
	repeat(ctx, rate, func(ordinal int) {
		alerts.Inc()
		f.log.Warn("compliance alert", "audit", "compliance-alert", "rule", fmt.Sprintf("R-%03d", ordinal%40), "record", ordinal)
	})
}
