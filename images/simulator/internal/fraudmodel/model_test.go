package fraudmodel

import (
	"encoding/json"
	"strings"
	"testing"

	"firedrill.dev/simulator/internal/payment"
	"firedrill.dev/simulator/internal/seeded"
)

func TestTheSeedDecidesTheVerdict(t *testing.T) {
	order := payment.New(seeded.NewKey(7, "p"))
	if one, again := newModel(1).probability(order), newModel(1).probability(order); one != again {
		t.Errorf("the same seed says %g and %g", one, again)
	}
	if one, other := newModel(1).probability(order), newModel(2).probability(order); one == other {
		t.Errorf("two seeds say the same: %g", one)
	}
}

func TestMoreMoneyIsMoreSuspicious(t *testing.T) {
	judge, order := newModel(1), *payment.New(seeded.NewKey(7, "p"))
	last := 0.0
	for _, cents := range []int64{1, 100, 10_000, 1_000_000} {
		order.AmountCents = cents
		now := judge.probability(&order)
		if now <= last || now >= 1 {
			t.Errorf("%d cents: %g after %g", cents, now, last)
		}
		last = now
	}
}

func TestFewPaymentsAreFraud(t *testing.T) {
	judge, suspicious := newModel(42), 0
	const count = 5000
	for n := range uint64(count) {
		if decide(judge.probability(payment.New(seeded.NewKey(3, "p").Child(n)))) != approve {
			suspicious++
		}
	}
	if suspicious == 0 || suspicious > count/10 {
		t.Errorf("%d of %d payments are not approved", suspicious, count)
	}
}

func TestInferenceRequests(t *testing.T) {
	const amounts = `{"name":"amount_cents","shape":[2],"datatype":"INT64","data":[1,2]}`
	for name, c := range map[string]struct{ inputs, want string }{
		"amounts alone":    {amounts, ""},
		"amounts and card": {amounts + `,{"name":"card","shape":[2],"datatype":"BYTES","data":["a","b"]}`, ""},
		"nothing":          {"", "amount_cents is required"},
		"an unknown input": {amounts + `,{"name":"mood","shape":[2],"datatype":"BYTES","data":["a","b"]}`, `no input "mood"`},
		"other lengths":    {amounts + `,{"name":"card","shape":[1],"datatype":"BYTES","data":["a"]}`, "inputs[1].shape"},
		"a false shape":    {`{"name":"amount_cents","shape":[3],"datatype":"INT64","data":[1,2]}`, "2 elements"},
		"a matrix":         {`{"name":"amount_cents","shape":[1,2],"datatype":"INT64","data":[1,2]}`, "is not [n]"},
		"another type":     {`{"name":"amount_cents","shape":[2],"datatype":"FP32","data":[1,2]}`, "INT64"},
		"given twice":      {amounts + "," + amounts, "twice"},
	} {
		t.Run(name, func(t *testing.T) {
			request := new(inferRequest)
			if err := json.Unmarshal([]byte(`{"inputs":[`+c.inputs+`]}`), request); err != nil {
				t.Fatal(err)
			}
			batch, err := request.payments()
			if c.want == "" && (err != nil || len(batch) != 2 || batch[1].AmountCents != 2) {
				t.Errorf("%v, %v", batch, err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
