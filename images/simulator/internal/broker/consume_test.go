package broker

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"firedrill.dev/simulator/internal/failure"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/trace"
)

// memory is a broker that remembers what is published.
type memory struct {
	published []Message
	failures  int
}

func (m *memory) publish(_ context.Context, message Message) error {
	if m.failures > 0 {
		m.failures--
		return errors.New("no broker")
	}
	m.published = append(m.published, message)
	return nil
}

func (m *memory) consume(context.Context, string, string, func(context.Context, Message) error) error {
	return nil
}
func (m *memory) announce(string)             {}
func (m *memory) check(context.Context) error { return nil }
func (m *memory) close()                      {}

func newClient(set ...flags.Flag) (*Client, *memory) {
	registry, transport := prometheus.NewRegistry(), new(memory)
	held := flags.NewSet()
	held.Replace(set)
	return &Client{
		transport: transport, metrics: NewMetrics(registry), flags: held,
		tracer: trace.NewTracer(nil), log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, transport
}

func TestMessageIsTriedUntilItIsOver(t *testing.T) {
	transient := errors.New("database down")
	for name, test := range map[string]struct {
		results     []error
		brokerFails int
		attempts    int
		deadLetters int
	}{
		"success":                     {[]error{nil}, 0, 1, 0},
		"transient failure":           {[]error{transient, nil}, 0, 2, 0},
		"permanent failure":           {[]error{failure.ErrPermanent, failure.ErrPermanent, failure.ErrPermanent}, 0, 3, 1},
		"dead letter not taken first": {[]error{failure.ErrPermanent, failure.ErrPermanent, failure.ErrPermanent, failure.ErrPermanent}, 1, 4, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, transport := newClient()
			transport.failures = test.brokerFails
			attempts := 0
			err := client.process(context.Background(), "settlement", Message{Topic: "payments", Value: []byte("v"), Headers: map[string]string{"a": "b"}},
				func(context.Context, Message) error {
					attempts++
					return test.results[attempts-1]
				})
			if err != nil || attempts != test.attempts || len(transport.published) != test.deadLetters {
				t.Fatalf("got %v after %d attempts, %d published", err, attempts, len(transport.published))
			}
			if counted := testutil.ToFloat64(client.metrics.consumed.WithLabelValues("payments", "settlement", "dead-letter")); int(counted) != test.deadLetters {
				t.Errorf("%g dead letters were counted", counted)
			}
			for _, letter := range transport.published {
				if letter.Topic != "payments-dead-letter" || string(letter.Value) != "v" || letter.Headers["a"] != "b" || letter.Headers[FailureReason] == "" {
					t.Errorf("the dead letter is %+v", letter)
				}
			}
		})
	}
}

func TestStoppedConsumerLeavesTheMessageToOthers(t *testing.T) {
	client, _ := newClient()
	ctx, cancel := context.WithCancel(context.Background())
	err := client.process(ctx, "settlement", Message{Topic: "payments"}, func(ctx context.Context, _ Message) error {
		cancel()
		if ctx.Err() != nil {
			t.Error("the message in hand was not left time to finish")
		}
		return errors.New("database down")
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPublishedMessageCarriesTraceAndTime(t *testing.T) {
	client, transport := newClient()
	span := trace.NewContext()
	before := time.Now().UnixMilli()
	if err := client.Publish(trace.With(context.Background(), span), Message{Topic: "payments", Value: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	headers := transport.published[0].Headers
	parent, ok := trace.Parse(headers[trace.Header])
	if !ok || parent.TraceID != span.TraceID || parent.SpanID == span.SpanID {
		t.Errorf("traceparent is %q in the trace %s", headers[trace.Header], span)
	}
	if produced, err := strconv.ParseInt(headers[ProducedAt], 10, 64); err != nil || produced < before {
		t.Errorf("produced-at is %q", headers[ProducedAt])
	}
}

func TestPoisonMessageFlagSpoilsAShareOfMessages(t *testing.T) {
	const messages = 2000
	for _, share := range []float64{0, 0.25, 1} {
		client, transport := newClient(flags.Flag{Name: flags.PoisonMessage, Value: share})
		spoilt := 0
		for range messages {
			if err := client.Publish(context.Background(), Message{Topic: "payments", Value: []byte("{}")}); err != nil {
				t.Fatal(err)
			}
		}
		for _, message := range transport.published {
			if string(message.Value) != "{}" {
				spoilt++
			}
		}
		if deviation := float64(spoilt)/messages - share; deviation < -0.06 || deviation > 0.06 {
			t.Errorf("share %g spoilt %d of %d", share, spoilt, messages)
		}
	}
}
