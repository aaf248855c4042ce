package payload

import "testing"

func TestParse(t *testing.T) {
	for name, test := range map[string]struct {
		body    string
		wrong   bool
		payment bool
	}{
		"empty":                {"", false, false},
		"some object":          {`{"id":"x"}`, false, false},
		"payment":              {`{"id":"x","account_from":1,"account_to":2,"amount_cents":5}`, false, true},
		"cut off":              {`{"id":`, true, false},
		"array":                {`[1]`, true, false},
		"amount of wrong type": {`{"id":"x","amount_cents":"5"}`, true, false},
		"amount below 1":       {`{"id":"x","account_from":1,"account_to":2,"amount_cents":0}`, true, false},
		"payment without id":   {`{"account_from":1,"account_to":2,"amount_cents":5}`, true, false},
		"to the same account":  {`{"id":"x","account_from":1,"account_to":1,"amount_cents":5}`, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			parsed, err := Parse([]byte(test.body))
			if (err != nil) != test.wrong || (parsed.Payment != nil) != test.payment {
				t.Errorf("got %+v, %v", parsed, err)
			}
			if err == nil && string(parsed.Raw) != test.body {
				t.Errorf("the body became %s", parsed.Raw)
			}
		})
	}
}
