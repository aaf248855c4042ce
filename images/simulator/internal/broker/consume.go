package broker

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"firedrill.dev/simulator/internal/failure"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/trace"
)

const (
	// permanentAttempts is how often a message with a permanent failure is tried before it becomes a dead letter.
	permanentAttempts = 3
	retryFirst        = 500 * time.Millisecond
	retryLast         = 5 * time.Second
	// finish is how long the message in hand may take after the consumer is told to stop.
	finish = 10 * time.Second
)

// Handler processes one message.
type Handler func(ctx context.Context, message Message) error

// Consume gives every message of a topic to the handler until ctx is done. A message is repeated until it succeeds, and
// holds up those behind it in its partition; one that fails for good (failure.ErrPermanent), such as one
// that cannot be parsed, goes to the topic's dead letters after three attempts.
func (c *Client) Consume(ctx context.Context, topic, group string, handler Handler) error {
	return c.consume(ctx, topic, group, func(ctx context.Context, message Message) error {
		return c.process(ctx, group, message, handler)
	})
}

func (c *Client) process(ctx context.Context, group string, message Message, handler Handler) error {
	wait := retryFirst
	for attempt := 1; ; attempt++ {
		err := c.attempt(ctx, group, message, handler)
		if errors.Is(err, failure.ErrPermanent) && attempt >= permanentAttempts {
			err = c.bury(ctx, group, message, err)
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, retryLast)
	}
}

func (c *Client) attempt(ctx context.Context, group string, message Message, handler Handler) error {
	if delay := c.flags.Value(flags.QueueProblems); delay > 0 {
		select {
		case <-time.After(time.Duration(delay * float64(time.Second))):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	begun, cancel := outlast(ctx, finish)
	defer cancel()
	if parent, ok := trace.Parse(message.Headers[trace.Header]); ok {
		begun = trace.With(begun, parent)
	}
	begun, span := c.tracer.Start(begun, "consume "+message.Topic, trace.Consumer)
	err := handler(begun, message)
	span.End(err)
	c.metrics.consumed.WithLabelValues(message.Topic, group, outcome(err)).Inc()
	if err != nil {
		c.log.LogAttrs(begun, slog.LevelError, "a message could not be processed",
			slog.String("trace_id", span.TraceHex()), slog.String("span_id", span.SpanHex()),
			slog.String("topic", message.Topic), slog.String("group", group), slog.String("error", err.Error()))
		return err
	}
	if produced, err := strconv.ParseInt(message.Headers[ProducedAt], 10, 64); err == nil {
		c.metrics.age.WithLabelValues(message.Topic, group).Observe(max(0, time.Since(time.UnixMilli(produced)).Seconds()))
	}
	return nil
}

func (c *Client) bury(ctx context.Context, group string, message Message, cause error) error {
	headers := map[string]string{FailureReason: cause.Error()}
	for name, value := range message.Headers {
		headers[name] = value
	}
	letter := Message{message.Topic + DeadLetterSuffix, message.Key, message.Value, headers}
	err := c.publish(ctx, letter)
	c.metrics.published.WithLabelValues(letter.Topic, outcome(err)).Inc()
	if err != nil {
		c.log.Error("a dead letter could not be published", "topic", letter.Topic, "error", err.Error())
		return err
	}
	c.metrics.consumed.WithLabelValues(message.Topic, group, "dead-letter").Inc()
	c.log.Error("a message became a dead letter", "topic", message.Topic, "group", group, "error", cause.Error())
	return nil
}

// outlast is a context that ends a given time after its parent does.
func outlast(parent context.Context, extra time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		select {
		case <-time.After(extra):
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() { stop(); cancel() }
}
