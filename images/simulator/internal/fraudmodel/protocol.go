package fraudmodel

import (
	"encoding/json"
	"fmt"

	"firedrill.dev/simulator/internal/payment"
)

// Messages of the Open Inference Protocol, version 2, with JSON over HTTP.

type tensor struct {
	Name     string          `json:"name"`
	Shape    []int           `json:"shape"`
	Datatype string          `json:"datatype"`
	Data     json.RawMessage `json:"data,omitempty"`
}

type inferRequest struct {
	ID     string   `json:"id"`
	Inputs []tensor `json:"inputs"`
}

type inferResponse struct {
	ModelName    string   `json:"model_name"`
	ModelVersion string   `json:"model_version"`
	ID           string   `json:"id,omitempty"`
	Outputs      []tensor `json:"outputs"`
}

type metadata struct {
	Name     string   `json:"name"`
	Versions []string `json:"versions"`
	Platform string   `json:"platform"`
	Inputs   []tensor `json:"inputs"`
	Outputs  []tensor `json:"outputs"`
}

const (
	modelName    = "fraud"
	modelVersion = "1"
	outputName   = "probability"
	// anyLength stands in a shape for a length that the request chooses.
	anyLength    = -1
	largestBatch = 1000
)

// described is what /v2/models/fraud says.
var described = metadata{
	Name: modelName, Versions: []string{modelVersion}, Platform: "logistic_regression",
	Inputs: []tensor{
		{Name: "amount_cents", Shape: []int{anyLength}, Datatype: "INT64"},
		{Name: "account_from", Shape: []int{anyLength}, Datatype: "INT64"},
		{Name: "account_to", Shape: []int{anyLength}, Datatype: "INT64"},
		{Name: "card", Shape: []int{anyLength}, Datatype: "BYTES"},
		{Name: "currency", Shape: []int{anyLength}, Datatype: "BYTES"},
	},
	Outputs: []tensor{{Name: outputName, Shape: []int{anyLength}, Datatype: "FP64"}},
}

// payments reads the batch of a request. All inputs but amount_cents may be absent; those present have one length.
func (r *inferRequest) payments() ([]payment.Payment, error) {
	length, given := -1, map[string]bool{}
	for i := range r.Inputs {
		input := &r.Inputs[i]
		if len(input.Shape) != 1 || input.Shape[0] < 1 || input.Shape[0] > largestBatch {
			return nil, fmt.Errorf("inputs[%d].shape: %v is not [n] with n between 1 and %d", i, input.Shape, largestBatch)
		}
		if length >= 0 && input.Shape[0] != length {
			return nil, fmt.Errorf("inputs[%d].shape: %d elements, where others have %d", i, input.Shape[0], length)
		}
		if given[input.Name] {
			return nil, fmt.Errorf("inputs[%d].name: %q is given twice", i, input.Name)
		}
		length, given[input.Name] = input.Shape[0], true
	}
	if !given["amount_cents"] {
		return nil, fmt.Errorf("inputs: amount_cents is required")
	}
	batch := make([]payment.Payment, length)
	for i := range r.Inputs {
		if err := r.Inputs[i].fill(batch); err != nil {
			return nil, fmt.Errorf("inputs[%d]: %w", i, err)
		}
	}
	return batch, nil
}

func (t *tensor) fill(batch []payment.Payment) error {
	switch t.Name {
	case "amount_cents":
		return each(t, "INT64", batch, func(p *payment.Payment, value int64) { p.AmountCents = value })
	case "account_from":
		return each(t, "INT64", batch, func(p *payment.Payment, value int64) { p.AccountFrom = value })
	case "account_to":
		return each(t, "INT64", batch, func(p *payment.Payment, value int64) { p.AccountTo = value })
	case "card":
		return each(t, "BYTES", batch, func(p *payment.Payment, value string) { p.Card = value })
	case "currency":
		return each(t, "BYTES", batch, func(p *payment.Payment, value string) { p.Currency = value })
	}
	return fmt.Errorf("the model has no input %q", t.Name)
}

func each[V any](t *tensor, datatype string, batch []payment.Payment, set func(*payment.Payment, V)) error {
	if t.Datatype != datatype {
		return fmt.Errorf("datatype %q is not %s", t.Datatype, datatype)
	}
	var values []V
	if err := json.Unmarshal(t.Data, &values); err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if len(values) != len(batch) {
		return fmt.Errorf("data: %d elements, where the shape says %d", len(values), len(batch))
	}
	for i, value := range values {
		set(&batch[i], value)
	}
	return nil
}

func answer(id string, probabilities []float64) (inferResponse, error) {
	data, err := json.Marshal(probabilities)
	output := tensor{Name: outputName, Shape: []int{len(probabilities)}, Datatype: "FP64", Data: data}
	return inferResponse{modelName, modelVersion, id, []tensor{output}}, err
}
