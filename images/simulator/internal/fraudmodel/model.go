package fraudmodel

import (
	"hash/fnv"
	"math"

	"firedrill.dev/simulator/internal/payment"
	"firedrill.dev/simulator/internal/seeded"
)

// Streams of the model's random draws.
const (
	weightStream = iota
	accountStream
	cardStream
)

// features of a payment, each of about mean 0 and deviation 1.
const (
	amountFeature = iota
	payerFeature
	payeeFeature
	cardFeature
	foreignFeature
	featureCount
)

const (
	homeCurrency = "EUR"
	// bias makes fraud rare: without other evidence its probability is 2 %.
	bias = -3.9
	// typicalCents is the median of the amounts, of which the logarithm is taken.
	typicalCents = 25_000
)

// model is a logistic regression whose weights come from the seed: the same seed judges the same payment the same.
type model struct {
	key     seeded.Key
	weights [featureCount]float64
}

func newModel(seed uint64) *model {
	m := &model{key: seeded.NewKey(seed, "fraud model")}
	random := m.key.Child(weightStream).Rand()
	for i := range m.weights {
		// All evidence speaks for fraud, more or less; a weight of 0 would make a feature useless.
		m.weights[i] = 0.4 + 0.8*random.Float64()
	}
	return m
}

// probability that the payment is fraud.
func (m *model) probability(p *payment.Payment) float64 {
	sum := bias
	for i, value := range m.features(p) {
		sum += m.weights[i] * value
	}
	return 1 / (1 + math.Exp(-sum))
}

func (m *model) features(p *payment.Payment) [featureCount]float64 {
	var x [featureCount]float64
	x[amountFeature] = math.Log(float64(max(p.AmountCents, 1)) / typicalCents)
	x[payerFeature] = m.standing(accountStream, uint64(p.AccountFrom))
	x[payeeFeature] = m.standing(accountStream, uint64(p.AccountTo))
	digest := fnv.New64a()
	_, _ = digest.Write([]byte(p.Card)) // a hash never fails to write
	x[cardFeature] = m.standing(cardStream, digest.Sum64())
	if p.Currency != "" && p.Currency != homeCurrency {
		x[foreignFeature] = 2
	}
	return x
}

// standing is what is known of an account or a card, drawn once for all times.
func (m *model) standing(stream, id uint64) float64 {
	return m.key.Child(stream).Child(id).Rand().NormFloat64()
}

// Decisions on a payment.
const (
	approve = "approve"
	review  = "review"
	decline = "decline"
)

func decide(probability float64) string {
	switch {
	case probability >= 0.9:
		return decline
	case probability >= 0.5:
		return review
	}
	return approve
}
