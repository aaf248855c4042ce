// Package seeded gives repeatable randomness: the same key gives the same draws, whatever else happens meanwhile.
package seeded

import (
	"context"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"firedrill.dev/simulator/internal/config"
)

// Key names one stream of random draws. Derived keys are independent of each other.
type Key uint64

// NewKey is the key of a seed and a name.
func NewKey(seed uint64, name string) Key {
	digest := fnv.New64a()
	_, _ = digest.Write([]byte(name)) // a hash never fails to write
	return Key(mix(seed ^ mix(digest.Sum64())))
}

// Child derives the key of the n-th part, such as a request or a step of one.
func (k Key) Child(n uint64) Key { return Key(mix(uint64(k) + mix(n+0x9e3779b97f4a7c15))) }

// Rand opens the key's stream from its start.
func (k Key) Rand() *rand.Rand { return rand.New(rand.NewPCG(uint64(k), mix(uint64(k)))) }

// Chance draws whether something of the given probability happens.
func (k Key) Chance(probability float64) bool {
	if probability <= 0 {
		return false
	}
	return k.Uniform() < probability
}

// Uniform draws from [0, 1).
func (k Key) Uniform() float64 { return float64(mix(uint64(k))>>11) / (1 << 53) }

// z99 is the 99th percentile of the standard normal distribution.
const z99 = 2.3263478740408408

// Draw takes one value of a distribution, in seconds.
func Draw(d config.Distribution, random *rand.Rand) config.Seconds {
	if d.P99 == 0 || d.P99 == d.Median {
		return d.Median
	}
	sigma := math.Log(float64(d.P99/d.Median)) / z99
	return d.Median * config.Seconds(math.Exp(sigma*random.NormFloat64()))
}

// mix is the finaliser of SplitMix64: every bit of the input reaches every bit of the output.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

type contextKey struct{}

// With attaches a request's key to a context.
func With(ctx context.Context, key Key) context.Context {
	return context.WithValue(ctx, contextKey{}, key)
}

// From is the key attached to ctx; the zero Key if there is none.
func From(ctx context.Context) Key {
	key, _ := ctx.Value(contextKey{}).(Key)
	return key
}
