package load

import (
	"math"
	"slices"
	"testing"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/seeded"
)

func arrivals(configuration *config.Load, seed uint64, until float64) []float64 {
	plan := newSchedule(configuration, seeded.NewKey(seed, "load"))
	var moments []float64
	for moment := plan.next(); moment < until; moment = plan.next() {
		moments = append(moments, moment)
	}
	return moments
}

func between(moments []float64, low, high float64) (count int) {
	for _, moment := range moments {
		if moment >= low && moment < high {
			count++
		}
	}
	return count
}

func TestScheduleComesFromTheSeedAlone(t *testing.T) {
	configuration := &config.Load{Rate: 20, Shape: config.Shape{Period: 60, Amplitude: 0.3}, Bursts: config.Bursts{Every: 30, Duration: 5, Factor: 2}}
	first := arrivals(configuration, 42, 100)
	if !slices.Equal(first, arrivals(configuration, 42, 100)) {
		t.Error("the same seed gave another schedule")
	}
	if slices.Equal(first, arrivals(configuration, 43, 100)) {
		t.Error("another seed gave the same schedule")
	}
}

func TestScheduleFollowsTheRate(t *testing.T) {
	const length = 2000.0
	for name, test := range map[string]struct {
		load      config.Load
		low, high float64
		expected  float64
	}{
		"flat":          {config.Load{Rate: 20}, 0, length, 20 * length},
		"crest of wave": {config.Load{Rate: 20, Shape: config.Shape{Period: length, Amplitude: 0.5}}, 0, length / 2, 20 * length * (0.5 + 0.5/math.Pi)},
		"trough":        {config.Load{Rate: 20, Shape: config.Shape{Period: length, Amplitude: 0.5}}, length / 2, length, 20 * length * (0.5 - 0.5/math.Pi)},
		"shifted phase": {config.Load{Rate: 20, Shape: config.Shape{Period: length, Amplitude: 0.5, Phase: 0.5}}, length / 2, length, 20 * length * (0.5 + 0.5/math.Pi)},
		"bursts":        {config.Load{Rate: 20, Bursts: config.Bursts{Every: 100, Duration: 10, Factor: 3}}, 0, length, 20 * (length + 2*10*length/100)},
	} {
		t.Run(name, func(t *testing.T) {
			got := float64(between(arrivals(&test.load, 1, length), test.low, test.high))
			if math.Abs(got-test.expected) > 5*math.Sqrt(test.expected) {
				t.Errorf("got %g arrivals, want about %g", got, test.expected)
			}
		})
	}
}

func TestOneBurstInEveryWindow(t *testing.T) {
	plan := newSchedule(&config.Load{Rate: 1, Bursts: config.Bursts{Every: 100, Duration: 10, Factor: 2}}, seeded.NewKey(5, "load"))
	starts := map[int]bool{}
	for window := range 20 {
		seconds, begin := 0, -1
		for second := range 100 {
			if plan.bursting(float64(100*window+second) + 0.5) {
				seconds++
				if begin < 0 {
					begin = second
				}
			}
		}
		if seconds < 9 || seconds > 11 {
			t.Errorf("window %d bursts for %d seconds", window, seconds)
		}
		starts[begin] = true
	}
	if len(starts) < 5 {
		t.Errorf("bursts start at %v only", starts)
	}
}
