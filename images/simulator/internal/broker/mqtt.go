package broker

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

const (
	keepAliveSeconds = 30
	reconnectAfter   = time.Second
	receiveMaximum   = 64
	atLeastOnce      = 1
	disconnectWithin = 2 * time.Second
)

// mqtt publishes over one connection and consumes over one more for each subscription, with MQTT 5: its user properties
// are the message's headers, and a shared subscription is the group.
type mqtt struct {
	server *url.URL
	name   string
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	sender *autopaho.ConnectionManager
}

func newMQTT(address, name string, log *slog.Logger) (*mqtt, error) {
	ctx, cancel := context.WithCancel(context.Background())
	m := &mqtt{server: &url.URL{Scheme: "mqtt", Host: address}, name: name, log: log, ctx: ctx, cancel: cancel}
	sender, err := autopaho.NewConnection(ctx, m.connection("publish"))
	if err != nil {
		cancel()
		return nil, err
	}
	m.sender = sender
	return m, nil
}

func (m *mqtt) connection(purpose string) autopaho.ClientConfig {
	return autopaho.ClientConfig{
		ServerUrls:                    []*url.URL{m.server},
		KeepAlive:                     keepAliveSeconds,
		CleanStartOnInitialConnection: true,
		ReconnectBackoff:              func(int) time.Duration { return reconnectAfter },
		ConnectTimeout:                5 * time.Second,
		ConnectPacketBuilder: func(connect *paho.Connect, _ *url.URL) (*paho.Connect, error) {
			// The library keeps room for as many messages; its own default is 65,535.
			limit := uint16(receiveMaximum)
			connect.Properties = &paho.ConnectProperties{ReceiveMaximum: &limit}
			return connect, nil
		},
		ClientConfig: paho.ClientConfig{
			// Replicas share the name, so a client id needs something of its own.
			ClientID: fmt.Sprintf("%s-%s-%08x", m.name, purpose, rand.Uint32()),
		},
	}
}

func (m *mqtt) publish(ctx context.Context, message Message) error {
	properties := new(paho.PublishProperties)
	for name, value := range message.Headers {
		properties.User.Add(name, value)
	}
	_, err := m.sender.Publish(ctx, &paho.Publish{
		QoS: atLeastOnce, Topic: message.Topic, Payload: message.Value, Properties: properties,
	})
	return err
}

// announce has nothing to do: a topic of MQTT is there when it is used.
func (m *mqtt) announce(string) {}

func (m *mqtt) check(ctx context.Context) error {
	if err := m.sender.AwaitConnection(ctx); err != nil {
		return fmt.Errorf("no connection to %s: %w", m.server.Host, err)
	}
	return nil
}

func (m *mqtt) close() {
	ctx, cancel := context.WithTimeout(context.Background(), disconnectWithin)
	defer cancel()
	if err := m.sender.Disconnect(ctx); err != nil {
		m.log.Warn("the broker was not told goodbye", "error", err.Error())
	}
	m.cancel()
}

// consume takes a topic with all below it, such as those of single devices; to the service they are one topic.
func (m *mqtt) consume(ctx context.Context, topic, group string, handle func(context.Context, Message) error) error {
	options := m.connection("consume")
	options.OnConnectionUp = func(connection *autopaho.ConnectionManager, _ *paho.Connack) {
		go m.subscribe(ctx, connection, "$share/"+group+"/"+topic+"/#")
	}
	options.EnableManualAcknowledgment = true
	options.OnPublishReceived = []func(paho.PublishReceived) (bool, error){func(received paho.PublishReceived) (bool, error) {
		message := fromPacket(received.Packet)
		message.Topic = topic
		if err := handle(ctx, message); err != nil {
			return true, err
		}
		return true, received.Client.Ack(received.Packet)
	}}
	connection, err := autopaho.NewConnection(m.ctx, options)
	if err != nil {
		return err
	}
	<-ctx.Done()
	leaving, cancel := context.WithTimeout(context.Background(), disconnectWithin)
	defer cancel()
	return connection.Disconnect(leaving)
}

func (m *mqtt) subscribe(ctx context.Context, connection *autopaho.ConnectionManager, filter string) {
	_, err := connection.Subscribe(ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: filter, QoS: atLeastOnce}}})
	if err != nil && ctx.Err() == nil {
		m.log.Error("subscribing failed", "filter", filter, "error", err.Error())
	}
}

func fromPacket(packet *paho.Publish) Message {
	message := Message{Topic: packet.Topic, Value: packet.Payload, Headers: map[string]string{}}
	if packet.Properties != nil {
		for _, property := range packet.Properties.User {
			message.Headers[property.Key] = property.Value
		}
	}
	return message
}
