// Package scripted is the role http: endpoints and consumers that do what their scripts say. Other roles can mount it
// beside what they do themselves.
package scripted

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"firedrill.dev/simulator/internal/broker"
	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/failure"
	"firedrill.dev/simulator/internal/payload"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/script"
	"firedrill.dev/simulator/internal/seeded"
)

func init() { role.Register(role.Default, New) }

// New is the constructor of the role.
func New(_ context.Context, rt *role.Runtime) (role.Role, error) { return Mount(rt) }

// Mount adds the configuration's endpoints to the HTTP server; the role it gives consumes the configuration's topics.
func Mount(rt *role.Runtime) (role.Role, error) {
	auditor := newAuditor(rt)
	for i := range rt.Config.Endpoints {
		described := &rt.Config.Endpoints[i]
		if err := rt.Scripts.Prepare(fmt.Sprintf("endpoints[%d].script", i), described.Script); err != nil {
			return nil, err
		}
		rt.HTTP.Handle(described.Path, newEndpoint(rt, described, auditor))
	}
	var consumers []role.Role
	for i := range rt.Config.Consumes {
		described := &rt.Config.Consumes[i]
		if err := rt.Scripts.Prepare(fmt.Sprintf("consumes[%d].script", i), described.Script); err != nil {
			return nil, err
		}
		client, err := rt.Dependencies.Broker(described.Broker)
		if err != nil {
			return nil, err
		}
		consumers = append(consumers, newConsumer(rt, client, described))
	}
	return role.Func(func(ctx context.Context) error { return runAll(ctx, consumers) }), nil
}

func runAll(ctx context.Context, roles []role.Role) error {
	failures := make([]error, len(roles))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	for i, one := range roles {
		group.Go(func() {
			if failures[i] = one.Run(ctx); failures[i] != nil {
				cancel()
			}
		})
	}
	<-ctx.Done()
	group.Wait()
	return errors.Join(failures...)
}

func newConsumer(rt *role.Runtime, client *broker.Client, described *config.Consume) role.Role {
	key := seeded.NewKey(uint64(rt.Key), described.Topic+" "+described.Group)
	var ordinal atomic.Uint64
	process := func(ctx context.Context, message broker.Message) error {
		body, err := payload.Parse(message.Value)
		if err != nil {
			return fmt.Errorf("%w: %w", failure.ErrPermanent, err)
		}
		ctx = seeded.With(payload.With(ctx, body), key.Child(ordinal.Add(1)))
		return rt.Scripts.Run(ctx, described.Script, new(script.Findings))
	}
	return role.Func(func(ctx context.Context) error {
		return client.Consume(ctx, described.Topic, described.Group, process)
	})
}
