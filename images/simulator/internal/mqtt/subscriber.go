package mqtt

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

const (
	subscriberKeepAlive = 30 * time.Second
	subscriberBuffer    = 16 << 10
	reconnectAfter      = time.Second
)

// Received is one message of a subscription.
type Received struct {
	Message
	conn *Conn
	id   uint16
	qos  byte
}

// Ack tells the broker that the message is processed; without it the message comes again over the next connection.
func (r *Received) Ack() error {
	if r.qos == 0 {
		return nil
	}
	return r.conn.Ack(r.id)
}

// Handler takes the messages of a subscription one after the other. It acknowledges them, at once or later.
type Handler func(ctx context.Context, message *Received) error

// Subscribe keeps a subscription up until ctx is done, over a new connection whenever the last one failed.
func Subscribe(ctx context.Context, options Options, log *slog.Logger, handle Handler) {
	options.KeepAlive, options.ReadBuffer = subscriberKeepAlive, subscriberBuffer
	complaint := ""
	for ctx.Err() == nil {
		err := subscribeOnce(ctx, options, handle, func() { complaint = "" })
		if ctx.Err() != nil {
			return
		}
		if text := err.Error(); text != complaint {
			complaint = text
			log.Warn("the subscription was interrupted", "filters", options.Filters, "error", text)
		}
		select {
		case <-ctx.Done():
		case <-time.After(reconnectAfter):
		}
	}
}

func subscribeOnce(ctx context.Context, options Options, handle Handler, up func()) error {
	conn, err := Dial(ctx, options)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { conn.Interrupt() })
	defer stop()
	defer conn.Drop()
	up()
	if options.Up != nil {
		options.Up(conn)
	}
	ping := time.Now().Add(subscriberKeepAlive / 2)
	for {
		packet, err := conn.Next(ping)
		switch {
		case ctx.Err() != nil:
			return conn.Close()
		case err != nil && !errors.Is(err, ErrIdle):
			return err
		}
		if publish, ok := packet.(*packets.Publish); ok {
			if err := handle(ctx, newReceived(conn, publish)); err != nil {
				return err
			}
		}
		if now := time.Now(); !now.Before(ping) {
			if err := conn.Ping(); err != nil {
				return err
			}
			ping = now.Add(subscriberKeepAlive / 2)
		}
	}
}

func newReceived(conn *Conn, publish *packets.Publish) *Received {
	message := Message{Topic: publish.Topic, Payload: publish.Payload, Headers: map[string]string{}, Retain: publish.Retain}
	if publish.Properties != nil {
		for _, property := range publish.Properties.User {
			message.Headers[property.Key] = property.Value
		}
	}
	return &Received{message, conn, publish.PacketID, publish.QoS}
}
