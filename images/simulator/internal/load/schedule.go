// Package load makes open-loop load: requests start when their time has come, however long others take.
package load

import (
	"math"
	"math/rand/v2"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/seeded"
)

// Streams of random draws.
const (
	arrivalStream = iota
	burstStream
	requestStream
	floodStream
	floodRequestStream
)

// schedule is a Poisson process with a changing rate. It depends on the configuration and the seed alone.
type schedule struct {
	rate   float64
	shape  config.Shape
	bursts config.Bursts
	key    seeded.Key
	random *rand.Rand
	now    float64
}

func newSchedule(configuration *config.Load, key seeded.Key) *schedule {
	return &schedule{
		rate: configuration.Rate, shape: configuration.Shape, bursts: configuration.Bursts,
		key: key, random: key.Child(arrivalStream).Rand(),
	}
}

// next is the moment of the next arrival, in seconds since the start.
func (s *schedule) next() float64 {
	// Thinning: candidates come at the highest rate there ever is, and are kept with the share that holds at their moment.
	highest := s.rate * (1 + s.shape.Amplitude) * max(1, s.bursts.Factor)
	for {
		s.now += s.random.ExpFloat64() / highest
		if s.random.Float64()*highest < s.at(s.now) {
			return s.now
		}
	}
}

// at is the rate at a moment.
func (s *schedule) at(moment float64) float64 {
	current := s.rate
	if s.shape.Period > 0 {
		current *= 1 + s.shape.Amplitude*math.Sin(2*math.Pi*(moment/float64(s.shape.Period)+s.shape.Phase))
	}
	if s.bursting(moment) {
		current *= s.bursts.Factor
	}
	return current
}

func (s *schedule) bursting(moment float64) bool {
	every, duration := float64(s.bursts.Every), float64(s.bursts.Duration)
	if every <= 0 || duration <= 0 {
		return false
	}
	window := math.Floor(moment / every)
	begin := window*every + s.key.Child(burstStream).Child(uint64(window)).Uniform()*(every-duration)
	return moment >= begin && moment < begin+duration
}
