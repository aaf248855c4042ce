// Package mqtt is a client of MQTT 5 (OASIS standard) for processes with thousands of connections: the packets are those
// of paho.golang, but behind a connection there is no goroutine, queue or timer beside the goroutine of its user.
package mqtt

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

const (
	// exchangeTimeout bounds a handshake, a write and the rest of a packet whose first byte is there.
	exchangeTimeout = 10 * time.Second
	atLeastOnce     = 1
)

// ErrIdle is that nothing arrived until the deadline.
var ErrIdle = errors.New("nothing arrived")

// Message is one message of a topic.
type Message struct {
	Topic   string
	Payload []byte
	// Headers are user properties.
	Headers map[string]string
	Retain  bool
}

// Options of a connection.
type Options struct {
	// Address is host:port.
	Address  string
	ClientID string
	// KeepAlive is after how long a silence the broker gives the client up, 1.5 times; whole seconds.
	KeepAlive time.Duration
	// Will, if any, is what the broker publishes when the connection ends without Close.
	Will *Message
	// Filters are subscribed to, at least once.
	Filters []string
	// ReceiveMaximum bounds the messages that are not acknowledged yet; 0 means 65,535.
	ReceiveMaximum uint16
	// ReadBuffer is in bytes; 0 reads without one, which suits a connection that receives little.
	ReadBuffer int
	// Up, if set, gets each new connection of Subscribe, to publish over it too.
	Up func(*Conn)
}

// Conn is an open connection. Writing is safe for concurrent use; Next is for one goroutine.
type Conn struct {
	connection net.Conn
	reader     io.Reader
	early      []*packets.ControlPacket
	mutex      sync.Mutex
	lastID     uint16
	// interrupted outlasts a deadline that is set at the same time.
	interrupted atomic.Bool
}

// Dial connects, introduces the client and subscribes.
func Dial(ctx context.Context, options Options) (*Conn, error) {
	dialer := net.Dialer{Timeout: exchangeTimeout, KeepAlive: -1} // the protocol has a keep alive of its own
	connection, err := dialer.DialContext(ctx, "tcp", options.Address)
	if err != nil {
		return nil, err
	}
	c := &Conn{connection: connection, reader: connection}
	if options.ReadBuffer > 0 {
		c.reader = bufio.NewReaderSize(connection, options.ReadBuffer)
	}
	stop := context.AfterFunc(ctx, c.Drop)
	defer stop()
	if err := errors.Join(c.introduce(options), c.subscribe(options.Filters)); err != nil {
		c.Drop()
		return nil, fmt.Errorf("%s: %w", options.Address, err)
	}
	return c, nil
}

func (c *Conn) introduce(options Options) error {
	packet := packets.NewControlPacket(packets.CONNECT)
	connect := packet.Content.(*packets.Connect)
	connect.ClientID, connect.CleanStart = options.ClientID, true
	connect.KeepAlive = uint16(options.KeepAlive / time.Second)
	if len(options.Filters) > 0 {
		// Said even if it is the protocol's default: Mosquitto's own is 20, behind which it queues and then drops.
		limit := cmp.Or(options.ReceiveMaximum, math.MaxUint16)
		connect.Properties.ReceiveMaximum = &limit
	}
	if will := options.Will; will != nil {
		connect.WillFlag, connect.WillQOS, connect.WillRetain = true, atLeastOnce, will.Retain
		connect.WillTopic, connect.WillMessage = will.Topic, will.Payload
		connect.WillProperties = properties(will.Headers)
	}
	if err := c.write(packet); err != nil {
		return err
	}
	answer, err := c.await(packets.CONNACK)
	if err != nil {
		return err
	}
	if code := answer.(*packets.Connack).ReasonCode; code >= 0x80 {
		return fmt.Errorf("the broker refused the client: reason 0x%02x", code)
	}
	return nil
}

func (c *Conn) subscribe(filters []string) error {
	if len(filters) == 0 {
		return nil
	}
	packet := packets.NewControlPacket(packets.SUBSCRIBE)
	subscribe := packet.Content.(*packets.Subscribe)
	subscribe.PacketID = c.nextID()
	for _, filter := range filters {
		subscribe.Subscriptions = append(subscribe.Subscriptions, packets.SubOptions{Topic: filter, QoS: atLeastOnce})
	}
	if err := c.write(packet); err != nil {
		return err
	}
	answer, err := c.await(packets.SUBACK)
	if err != nil {
		return err
	}
	for i, code := range answer.(*packets.Suback).Reasons {
		if code >= 0x80 {
			return fmt.Errorf("the broker refused the subscription to %s: reason 0x%02x", filters[i], code)
		}
	}
	return nil
}

// await waits for a packet of a type; others that arrive before are kept for Next.
func (c *Conn) await(kind byte) (packets.Packet, error) {
	for {
		packet, err := c.read(time.Now().Add(exchangeTimeout))
		if err != nil {
			return nil, err
		}
		if packet.Type == kind {
			return packet.Content, nil
		}
		c.early = append(c.early, packet)
	}
}

// Publish sends a message, at least once; the broker's Puback with the same id comes out of Next.
func (c *Conn) Publish(message Message) (id uint16, err error) {
	packet := packets.NewControlPacket(packets.PUBLISH)
	publish := packet.Content.(*packets.Publish)
	publish.QoS, publish.Topic, publish.Payload, publish.Retain = atLeastOnce, message.Topic, message.Payload, message.Retain
	publish.Properties = properties(message.Headers)
	publish.PacketID = c.nextID()
	return publish.PacketID, c.write(packet)
}

// Ack tells the broker that a message is processed. Messages are to be acknowledged in the order of their arrival.
func (c *Conn) Ack(id uint16) error {
	packet := packets.NewControlPacket(packets.PUBACK)
	packet.Content.(*packets.Puback).PacketID = id
	return c.write(packet)
}

// Ping keeps the connection alive.
func (c *Conn) Ping() error { return c.write(packets.NewControlPacket(packets.PINGREQ)) }

// Next waits for the next packet until the deadline; then the error is ErrIdle, and the connection is still good.
func (c *Conn) Next(deadline time.Time) (packets.Packet, error) {
	if len(c.early) > 0 {
		packet := c.early[0]
		c.early = c.early[1:]
		return packet.Content, nil
	}
	packet, err := c.read(deadline)
	if err != nil {
		return nil, err
	}
	if gone, ok := packet.Content.(*packets.Disconnect); ok {
		return nil, fmt.Errorf("the broker ended the connection: reason 0x%02x", gone.ReasonCode)
	}
	return packet.Content, nil
}

func (c *Conn) read(deadline time.Time) (*packets.ControlPacket, error) {
	first := make([]byte, 1)
	if err := c.connection.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	if c.interrupted.Load() {
		return nil, ErrIdle
	}
	if _, err := io.ReadFull(c.reader, first); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, ErrIdle
		}
		return nil, err
	}
	if err := c.connection.SetReadDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return nil, err
	}
	return packets.ReadPacket(io.MultiReader(bytes.NewReader(first), c.reader))
}

// Close says goodbye, so that there is no will, and ends the connection.
func (c *Conn) Close() error {
	return errors.Join(c.write(packets.NewControlPacket(packets.DISCONNECT)), c.connection.Close())
}

// Interrupt makes a Next that waits return, and every later one.
func (c *Conn) Interrupt() {
	c.interrupted.Store(true)
	_ = c.connection.SetReadDeadline(time.Now()) // it fails on a closed connection only, where nothing waits
}

// Drop ends the connection as a failure does.
func (c *Conn) Drop() {
	_ = c.connection.Close() // the aim is that it is gone, however
}

func (c *Conn) write(packet *packets.ControlPacket) error {
	var wire bytes.Buffer
	if _, err := packet.WriteTo(&wire); err != nil {
		return err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if err := c.connection.SetWriteDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return err
	}
	_, err := c.connection.Write(wire.Bytes())
	return err
}

func (c *Conn) nextID() uint16 {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.lastID = max(c.lastID+1, 1)
	return c.lastID
}

func properties(headers map[string]string) *packets.Properties {
	made := new(packets.Properties)
	for name, value := range headers {
		made.User = append(made.User, packets.User{Key: name, Value: value})
	}
	return made
}
