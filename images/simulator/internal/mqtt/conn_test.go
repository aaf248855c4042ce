package mqtt

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// serve is a broker for one connection that is refused with a reason, or else gets a message before its subscription is
// confirmed; it gives all packets that the client sends.
func serve(t *testing.T, reason byte) (address string, sent <-chan *packets.ControlPacket) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	all := make(chan *packets.ControlPacket, 100)
	go func() {
		defer close(all)
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		defer connection.Close()
		for {
			packet, err := packets.ReadPacket(connection)
			if err != nil {
				return
			}
			all <- packet
			for _, reply := range replies(packet, reason) {
				if _, err := reply.WriteTo(connection); err != nil {
					return
				}
			}
		}
	}()
	return listener.Addr().String(), all
}

func replies(packet *packets.ControlPacket, reason byte) []*packets.ControlPacket {
	switch content := packet.Content.(type) {
	case *packets.Connect:
		reply := packets.NewControlPacket(packets.CONNACK)
		reply.Content.(*packets.Connack).ReasonCode = reason
		return []*packets.ControlPacket{reply}
	case *packets.Subscribe:
		early := packets.NewControlPacket(packets.PUBLISH)
		publish := early.Content.(*packets.Publish)
		publish.Topic, publish.QoS, publish.PacketID, publish.Payload = "t", 1, 9, []byte("early")
		publish.Properties.User = []packets.User{{Key: "k", Value: "v"}}
		reply := packets.NewControlPacket(packets.SUBACK)
		suback := reply.Content.(*packets.Suback)
		suback.PacketID, suback.Reasons = content.PacketID, []byte{1}
		return []*packets.ControlPacket{early, reply}
	}
	return nil
}

func TestAMessageBeforeTheSubscriptionIsConfirmedIsNotLost(t *testing.T) {
	address, sent := serve(t, 0)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	Subscribe(ctx, Options{Address: address, ClientID: "c", Filters: []string{"t"}}, slog.New(slog.DiscardHandler),
		func(_ context.Context, message *Received) error {
			if string(message.Payload) != "early" || message.Headers["k"] != "v" {
				t.Errorf("received %+v", message.Message)
			}
			defer cancel()
			return message.Ack()
		})
	var kinds []byte
	for packet := range sent {
		kinds = append(kinds, packet.Type)
		if ack, ok := packet.Content.(*packets.Puback); ok && ack.PacketID != 9 {
			t.Errorf("acknowledged %d, not 9", ack.PacketID)
		}
	}
	want := []byte{packets.CONNECT, packets.SUBSCRIBE, packets.PUBACK, packets.DISCONNECT}
	if string(kinds) != string(want) {
		t.Errorf("the client sent packets of types %v, want %v", kinds, want)
	}
}

func TestADialTellsWhyTheBrokerRefuses(t *testing.T) {
	address, _ := serve(t, 0x86)
	if conn, err := Dial(context.Background(), Options{Address: address, ClientID: "c"}); err == nil {
		conn.Drop()
		t.Error("a refused client counts as connected")
	}
}

func TestAnIdleConnectionStaysGood(t *testing.T) {
	address, sent := serve(t, 0)
	conn, err := Dial(context.Background(), Options{Address: address, ClientID: "c", Will: &Message{Topic: "w", Payload: []byte("x")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Next(time.Now()); !errors.Is(err, ErrIdle) {
		t.Fatalf("nothing arrives, and the error is %v", err)
	}
	if id, err := conn.Publish(Message{Topic: "t", Headers: map[string]string{"k": "v"}}); err != nil || id != 1 {
		t.Fatalf("publishing gives %d, %v", id, err)
	}
	conn.Interrupt()
	if _, err := conn.Next(time.Now().Add(time.Hour)); !errors.Is(err, ErrIdle) {
		t.Fatalf("after Interrupt the error is %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	connect := (<-sent).Content.(*packets.Connect)
	if !connect.WillFlag || connect.WillTopic != "w" {
		t.Errorf("the will did not arrive: %+v", connect)
	}
	if publish := (<-sent).Content.(*packets.Publish); publish.QoS != 1 || publish.Properties.User[0].Key != "k" {
		t.Errorf("the message arrived as %+v", publish)
	}
}
