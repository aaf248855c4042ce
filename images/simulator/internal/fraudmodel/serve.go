// Package fraudmodel is the role model: it serves a fraud model by the Open Inference Protocol v2, and a plain score.
package fraudmodel

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/failure"
	"firedrill.dev/simulator/internal/httpserver"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/payload"
	"firedrill.dev/simulator/internal/payment"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/scripted"
	"firedrill.dev/simulator/internal/seeded"
)

func init() { role.Register("model", New) }

type server struct {
	rt        *role.Runtime
	model     *model
	decisions *prometheus.CounterVec
}

// New sets the role up; the endpoints of the configuration are served beside the model's.
func New(_ context.Context, rt *role.Runtime) (role.Role, error) {
	s := &server{
		rt: rt, model: newModel(rt.Config.Seed),
		decisions: metrics.Counter(rt.Metrics, "model_decisions_total", "Payments judged.", "decision"),
	}
	ready := s.json(func(*http.Request) (any, error) { return map[string]bool{"ready": true}, nil })
	rt.HTTP.Handle("GET /v2/health/ready", ready)
	rt.HTTP.Handle("GET /v2/models/"+modelName+"/ready", ready)
	rt.HTTP.Handle("GET /v2/models/"+modelName, s.json(func(*http.Request) (any, error) { return described, nil }))
	rt.HTTP.Handle("POST /v2/models/"+modelName+"/infer", s.json(s.infer))
	rt.HTTP.Handle("/score", s.json(s.score))
	return scripted.Mount(rt)
}

func (s *server) json(act func(r *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, payload.MaxBytes)
		content, err := act(r)
		if err != nil {
			httpserver.Fail(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(content) // the caller may have hung up
	})
}

func (s *server) infer(r *http.Request) (any, error) {
	request := new(inferRequest)
	if err := json.NewDecoder(r.Body).Decode(request); err != nil {
		return nil, failure.New(http.StatusBadRequest, fmt.Errorf("not an inference request: %w", err))
	}
	batch, err := request.payments()
	if err != nil {
		return nil, failure.New(http.StatusBadRequest, err)
	}
	probabilities := make([]float64, len(batch))
	for i := range batch {
		probabilities[i] = s.judge(&batch[i])
	}
	return answer(request.ID, probabilities)
}

type verdict struct {
	Payment     string  `json:"payment"`
	Probability float64 `json:"fraud_probability"`
	Decision    string  `json:"decision"`
}

// score judges the payment of the body; a request without one stands for a payment drawn from its random key.
func (s *server) score(r *http.Request) (any, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, failure.New(http.StatusBadRequest, err)
	}
	parsed, err := payload.Parse(body)
	if err != nil {
		return nil, failure.New(http.StatusBadRequest, err)
	}
	order := parsed.Payment
	if order == nil {
		order = payment.New(seeded.From(r.Context()))
	}
	probability := s.judge(order)
	return verdict{order.ID, probability, decide(probability)}, nil
}

func (s *server) judge(order *payment.Payment) float64 {
	probability := s.model.probability(order)
	s.decisions.WithLabelValues(decide(probability)).Inc()
	return probability
}
