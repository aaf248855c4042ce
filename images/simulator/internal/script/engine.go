// Package script runs the scripts of endpoints and consumers.
package script

import (
	"context"
	"fmt"
	"sync"
	"time"

	"firedrill.dev/simulator/internal/broker"
	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/dependency"
	"firedrill.dev/simulator/internal/failure"
	"firedrill.dev/simulator/internal/payload"
	"firedrill.dev/simulator/internal/peer"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/trace"
)

// Engine runs scripts with a service's clients.
type Engine struct {
	peers        *peer.Client
	dependencies *dependency.Set
}

// New makes an engine.
func New(peers *peer.Client, dependencies *dependency.Set) *Engine {
	return &Engine{peers, dependencies}
}

// Findings are what the queries of a script found, by operation.
type Findings struct {
	mutex  sync.Mutex
	values map[string]any
}

func (f *Findings) add(operation string, value any) {
	if value == nil {
		return
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.values == nil {
		f.values = map[string]any{}
	}
	f.values[operation] = value
}

// Values is the findings as a map; nil if there are none.
func (f *Findings) Values() map[string]any {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return f.values
}

// Prepare checks that the service has every operation that a script asks for, and announces its calls and the topics it
// publishes to.
// The error is a *config.Error.
func (e *Engine) Prepare(place string, steps []config.Step) error {
	for i := range steps {
		step, here := &steps[i], fmt.Sprintf("%s[%d]", place, i)
		if err := e.Prepare(here+".parallel", step.Parallel); err != nil {
			return err
		}
		if step.Call != nil {
			e.peers.Announce(step.Call)
		}
		if step.Publish != nil {
			client, err := e.dependencies.Broker(step.Publish.Broker)
			if err != nil {
				return err
			}
			client.Announce(step.Publish.Topic)
		}
		if step.Query != nil {
			database, err := e.dependencies.Database(step.Query.Database)
			if err != nil {
				return err
			}
			if !database.Has(step.Query.Operation) {
				reason := fmt.Sprintf("the schema of %s has no %q", step.Query.Database, step.Query.Operation)
				return &config.Error{Field: here + ".query.operation", Reason: reason}
			}
		}
	}
	return nil
}

// Run runs the steps one after the other until one fails. Random choices depend on the key of ctx alone, not on timing. The
// error carries the HTTP status of the request (see package failure).
func (e *Engine) Run(ctx context.Context, steps []config.Step, findings *Findings) error {
	key := seeded.From(ctx)
	for i := range steps {
		if err := ctx.Err(); err != nil {
			return failure.Unavailable(err)
		}
		if err := e.step(seeded.With(ctx, key.Child(uint64(i))), &steps[i], findings); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) step(ctx context.Context, step *config.Step, findings *Findings) error {
	switch {
	case step.Parallel != nil:
		return e.parallel(ctx, step.Parallel, findings)
	case step.Sleep != nil:
		return Sleep(ctx, *step.Sleep)
	case step.Compute != nil:
		return compute(ctx, *step.Compute)
	case step.Call != nil:
		return e.call(ctx, step.Call)
	case step.Publish != nil:
		return e.publish(ctx, step.Publish)
	case step.Query != nil:
		return e.query(ctx, step.Query, findings)
	}
	return e.cache(ctx, step.Cache)
}

// parallel runs all steps to their end, so that the same calls are made whichever fails; the first failing in the order of
// the script counts.
func (e *Engine) parallel(ctx context.Context, steps []config.Step, findings *Findings) error {
	failures := make([]error, len(steps))
	key := seeded.From(ctx)
	var group sync.WaitGroup
	for i := range steps {
		group.Go(func() {
			failures[i] = e.step(seeded.With(ctx, key.Child(uint64(i))), &steps[i], findings)
		})
	}
	group.Wait()
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// Sleep waits for a time drawn from the distribution with the key of ctx.
func Sleep(ctx context.Context, distribution config.Distribution) error {
	if distribution.Median == 0 {
		return nil
	}
	timer := time.NewTimer(seeded.Draw(distribution, seeded.From(ctx).Rand()).Duration())
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return failure.Unavailable(ctx.Err())
	}
}

func (e *Engine) call(ctx context.Context, call *config.Call) error {
	if call.Probability != nil && !seeded.From(ctx).Chance(*call.Probability) {
		return nil
	}
	return e.peers.Call(ctx, call)
}

func (e *Engine) publish(ctx context.Context, publish *config.Publish) error {
	client, err := e.dependencies.Broker(publish.Broker)
	if err != nil {
		return err
	}
	message := broker.Message{Topic: publish.Topic}
	body := payload.From(ctx)
	switch {
	case body.Payment != nil:
		message.Key, message.Value = []byte(body.Payment.ID), body.Raw
	case len(body.Raw) > 0:
		message.Value = body.Raw
	default:
		id := trace.From(ctx).TraceHex()
		message.Key, message.Value = []byte(id), fmt.Appendf(nil, `{"id":%q}`, id)
	}
	if err := client.Publish(ctx, message); err != nil {
		return failure.Unavailable(fmt.Errorf("publishing to %s: %w", publish.Topic, err))
	}
	return nil
}

func (e *Engine) query(ctx context.Context, query *config.Query, findings *Findings) error {
	client, err := e.dependencies.Database(query.Database)
	if err != nil {
		return err
	}
	found, err := client.Run(ctx, query.Operation)
	if err != nil {
		return failure.Unavailable(err)
	}
	findings.add(query.Operation, found)
	return nil
}

func (e *Engine) cache(ctx context.Context, access *config.CacheAccess) error {
	client, err := e.dependencies.Cache(access.Cache)
	if err != nil {
		return err
	}
	if access.Operation == config.CacheSet {
		err = client.Set(ctx)
	} else {
		err = client.Get(ctx, access.HitRatio)
	}
	return failure.Unavailable(err)
}
