// Package broker publishes to and consumes from message brokers.
package broker

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/trace"
)

// Names of message headers besides trace.Header.
const (
	// ProducedAt is when the message was published, in milliseconds since 1970.
	ProducedAt = "produced-at"
	// FailureReason says, on a dead letter, why the message was given up.
	FailureReason = "failure-reason"
)

// DeadLetterSuffix is appended to a topic's name for the messages that no consumer can process.
const DeadLetterSuffix = "-dead-letter"

// Message is one message of a topic.
type Message struct {
	Topic   string
	Key     []byte
	Value   []byte
	Headers map[string]string
}

// transport is one kind of broker.
type transport interface {
	publish(ctx context.Context, message Message) error
	// consume gives every message of a topic to handle, those of one partition one after the other, until ctx is done. A
	// message is over when handle returns nil; with an error it comes again later, perhaps to another consumer.
	consume(ctx context.Context, topic, group string, handle func(context.Context, Message) error) error
	// announce says that a topic will be published to.
	announce(topic string)
	// check tells whether the broker answers and has all topics in use.
	check(ctx context.Context) error
	close()
}

// Metrics of all brokers of a process.
type Metrics struct {
	published *prometheus.CounterVec
	consumed  *prometheus.CounterVec
	age       *prometheus.HistogramVec
	lag       *prometheus.GaugeVec
}

// NewMetrics makes the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	return &Metrics{
		published: metrics.Counter(registry, "messages_published_total", "Messages published.", "topic", "outcome"),
		consumed: metrics.Counter(registry, "messages_consumed_total",
			"Messages consumed; an outcome other than ok and dead-letter is an attempt that will be repeated.", "topic", "group", "outcome"),
		age: metrics.Histogram(registry, "message_age_seconds", "Time from publishing a message to the end of its processing.",
			metrics.AgeBuckets, "topic", "group"),
		lag: metrics.Gauge(registry, "consumer_lag",
			"Messages of the topic that the whole group has still to process; each member shows the same. Absent while the broker can not be asked.", "topic", "group"),
	}
}

// Client uses one broker. It is safe for concurrent use.
type Client struct {
	transport
	metrics *Metrics
	flags   *flags.Set
	tracer  *trace.Tracer
	log     *slog.Logger
}

// New makes a client that connects when it is first used.
func New(broker config.Broker, name string, shared *Metrics, set *flags.Set, tracer *trace.Tracer, log *slog.Logger) (*Client, error) {
	client := &Client{metrics: shared, flags: set, tracer: tracer, log: log}
	var err error
	switch broker.Kind {
	case config.Kafka:
		client.transport, err = newKafka(broker.Address, name, shared.lag, log)
	case config.MQTT:
		client.transport, err = newMQTT(broker.Address, name, log)
	default:
		err = fmt.Errorf("unknown kind of broker %q", broker.Kind)
	}
	return client, err
}

// Publish sends a message with trace context and time as headers and waits until the broker has it.
func (c *Client) Publish(ctx context.Context, message Message) error {
	ctx, span := c.tracer.Start(ctx, "publish "+message.Topic, trace.Producer)
	headers := map[string]string{
		trace.Header: span.String(),
		ProducedAt:   strconv.FormatInt(time.Now().UnixMilli(), 10),
	}
	for name, value := range message.Headers {
		headers[name] = value
	}
	message.Headers = headers
	if share := c.flags.Value(flags.PoisonMessage); share > 0 && rand.Float64() < share {
		message.Value = []byte(`{"id":`)
	}
	err := c.publish(ctx, message)
	c.metrics.published.WithLabelValues(message.Topic, outcome(err)).Inc()
	span.End(err)
	return err
}

// Announce says that a topic will be published to: its absence makes the service not ready from the start.
func (c *Client) Announce(topic string) { c.announce(topic) }

// Check tells whether the broker answers and has the topics in use.
func (c *Client) Check(ctx context.Context) error { return c.check(ctx) }

// Close ends the connections.
func (c *Client) Close() { c.close() }

func outcome(err error) string {
	if err != nil {
		return "error"
	}
	return "ok"
}
