package seeded

import (
	"math"
	"slices"
	"testing"

	"firedrill.dev/simulator/internal/config"
)

func TestSameKeySameDraws(t *testing.T) {
	draw := func(k Key) []uint64 {
		random := k.Rand()
		return []uint64{random.Uint64(), random.Uint64(), uint64(k.Child(3)), uint64(k.Child(3).Child(0))}
	}
	root := NewKey(42, "gateway")
	if !slices.Equal(draw(root), draw(NewKey(42, "gateway"))) {
		t.Error("the same seed and name drew differently")
	}
	for name, other := range map[string]Key{
		"seed": NewKey(43, "gateway"), "name": NewKey(42, "ledger"), "child": root.Child(0), "grandchild": root.Child(0).Child(0),
	} {
		if slices.Equal(draw(root), draw(other)) {
			t.Errorf("another %s drew the same", name)
		}
	}
}

func TestChanceHasItsShareOverOrdinals(t *testing.T) {
	const requests = 100_000
	for _, share := range []float64{0, 0.0005, 0.1, 0.5, 1} {
		happened := 0
		for ordinal := range uint64(requests) {
			if NewKey(1, "service").Child(ordinal).Child(2).Chance(share) {
				happened++
			}
		}
		if deviation := math.Abs(float64(happened) - share*requests); deviation > 5*math.Sqrt(share*(1-share)*requests) {
			t.Errorf("share %g happened %d times of %d", share, happened, requests)
		}
	}
}

func TestDrawHasItsMedianAndP99(t *testing.T) {
	for _, d := range []config.Distribution{{Median: 0.003, P99: 0.02}, {Median: 1, P99: 1.1}, {Median: 0.5}} {
		values := make([]float64, 50_000)
		random := NewKey(7, "draw").Rand()
		for i := range values {
			values[i] = float64(Draw(d, random))
		}
		slices.Sort(values)
		median, p99 := values[len(values)/2], values[len(values)*99/100]
		wanted := float64(max(d.P99, d.Median))
		if math.Abs(median/float64(d.Median)-1) > 0.05 || math.Abs(p99/wanted-1) > 0.05 {
			t.Errorf("%+v gave median %g and p99 %g", d, median, p99)
		}
	}
}
