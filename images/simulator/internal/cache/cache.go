// Package cache reads and writes keys in Redis.
package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/trace"
)

const (
	poolSize   = 4
	dial       = 2 * time.Second
	warmKeys   = 100
	valueBytes = 256
	keyLife    = 10 * time.Minute
	missStream = 1 << 35
	ratioPart  = 1
	keyPart    = 2
)

// Metrics of all caches of a process.
type Metrics struct{ requests *prometheus.CounterVec }

// NewMetrics makes the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	return &Metrics{metrics.Counter(registry, "cache_requests_total", "Requests to a cache.", "cache", "outcome")}
}

// Client uses one cache. It is safe for concurrent use.
type Client struct {
	redis   *redis.Client
	name    string
	prefix  string
	metrics *Metrics
	flags   *flags.Set
	tracer  *trace.Tracer
}

// New makes a client that connects when it is first used; its keys begin with the service's name.
func New(name, service string, cache config.Cache, shared *Metrics, set *flags.Set, tracer *trace.Tracer) *Client {
	return &Client{
		redis: redis.NewClient(&redis.Options{
			Addr: cache.Address, PoolSize: poolSize, DialTimeout: dial, MaxRetries: 1, DisableIdentity: true,
			ConnMaxIdleTime: 2 * time.Minute, ContextTimeoutEnabled: true,
		}),
		name: name, prefix: service + ":", metrics: shared, flags: set, tracer: tracer,
	}
}

// Get reads one of a hundred keys, or with probability 1-hitRatio one that is not there. A key that is missed among the
// hundred is filled, as a cache in front of something is. Under the flag cacheFailure a share of the reads miss and leave
// a new key behind.
func (c *Client) Get(ctx context.Context, hitRatio float64) error {
	key, name := seeded.From(ctx), ""
	failing := key.Child(missStream).Chance(c.flags.Value(flags.CacheFailure))
	missing := failing || !key.Child(ratioPart).Chance(hitRatio)
	if missing {
		name = fmt.Sprintf("%scold:%016x", c.prefix, uint64(key.Child(keyPart)))
	} else {
		name = c.warm(key)
	}
	return c.measure(ctx, "get", func(ctx context.Context) (string, error) {
		err := c.redis.Get(ctx, name).Err()
		if !errors.Is(err, redis.Nil) {
			return "hit", err
		}
		if missing && !failing {
			return "miss", nil
		}
		return "miss", c.redis.Set(ctx, name, value, keyLife).Err()
	})
}

// Set writes one of the hundred keys.
func (c *Client) Set(ctx context.Context) error {
	return c.measure(ctx, "set", func(ctx context.Context) (string, error) {
		return "hit", c.redis.Set(ctx, c.warm(seeded.From(ctx)), value, keyLife).Err()
	})
}

var value = strings.Repeat("v", valueBytes)

func (c *Client) warm(key seeded.Key) string {
	return fmt.Sprintf("%swarm:%d", c.prefix, uint64(key.Child(keyPart))%warmKeys)
}

func (c *Client) measure(ctx context.Context, operation string, act func(context.Context) (string, error)) error {
	ctx, span := c.tracer.Start(ctx, "cache "+c.name+" "+operation, trace.Client)
	outcome, err := act(ctx)
	if err != nil {
		outcome = "error"
		err = fmt.Errorf("cache %s: %s: %w", c.name, operation, err)
	}
	c.metrics.requests.WithLabelValues(c.name, outcome).Inc()
	span.Set("db.system", config.Redis)
	span.End(err)
	return err
}

// Check tells whether the cache answers.
func (c *Client) Check(ctx context.Context) error { return c.redis.Ping(ctx).Err() }

// Close ends the connections.
func (c *Client) Close() error { return c.redis.Close() }
