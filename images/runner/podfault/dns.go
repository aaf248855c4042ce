package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

const (
	headerBytes = 12
	typeA       = 1
	typeAAAA    = 28
	nameError   = 3
	upstreamIn  = 3 * time.Second
	largest     = 65535
)

// answerNames answers for the listed names, and lets the pod's own name server answer for all others.
func (h *Holder) answerNames(address string, settings Settings) error {
	upstream, err := nameServer("/etc/resolv.conf")
	if err != nil {
		return err
	}
	packets, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	answers := map[string]string{}
	for name, value := range settings.Answers {
		answers[strings.ToLower(strings.TrimSuffix(name, "."))] = value
	}
	go h.packets(packets, answers, upstream)
	go h.accept(listener, func(conn net.Conn) { h.stream(conn, answers, upstream) })
	return nil
}

func (h *Holder) packets(conn net.PacketConn, answers map[string]string, upstream string) {
	for {
		buffer := make([]byte, largest)
		count, from, err := conn.ReadFrom(buffer)
		if err != nil {
			h.end(err.Error())
			return
		}
		h.seen.Add(1)
		go func() {
			if reply := h.reply(buffer[:count], answers, upstream, "udp"); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}()
	}
}

func (h *Holder) stream(conn net.Conn, answers map[string]string, upstream string) {
	for {
		query, err := readFramed(conn)
		if err != nil {
			return
		}
		reply := h.reply(query, answers, upstream, "tcp")
		if reply == nil || writeFramed(conn, reply) != nil {
			return
		}
	}
}

func (h *Holder) reply(query []byte, answers map[string]string, upstream, network string) []byte {
	name, kind, end, err := question(query)
	if err == nil {
		if value, listed := answers[name]; listed {
			h.hits.Add(1)
			return wrongAnswer(query, kind, end, value)
		}
	}
	reply, err := relay(query, upstream, network)
	if err != nil {
		fmt.Println("the name server:", err)
		return nil
	}
	return reply
}

// question is the name, in small letters, and the type of the first question, and where it ends.
func question(query []byte) (string, uint16, int, error) {
	if len(query) < headerBytes || binary.BigEndian.Uint16(query[4:]) == 0 {
		return "", 0, 0, errors.New("no question")
	}
	var labels []string
	at := headerBytes
	for {
		if at >= len(query) {
			return "", 0, 0, errors.New("cut short")
		}
		size := int(query[at])
		at++
		if size == 0 {
			break
		}
		if size > 63 || at+size > len(query) {
			return "", 0, 0, errors.New("not a label")
		}
		labels = append(labels, strings.ToLower(string(query[at:at+size])))
		at += size
	}
	if at+4 > len(query) {
		return "", 0, 0, errors.New("cut short")
	}
	return strings.Join(labels, "."), binary.BigEndian.Uint16(query[at:]), at + 4, nil
}

// wrongAnswer is the address for a question of its type, nothing for another type, and NXDOMAIN without an address.
func wrongAnswer(query []byte, kind uint16, end int, value string) []byte {
	reply := append([]byte{}, query[:end]...)
	flags := uint16(0x8080) | binary.BigEndian.Uint16(query[2:])&0x0100
	address, err := netip.ParseAddr(value)
	if err != nil {
		flags |= nameError
	}
	binary.BigEndian.PutUint16(reply[2:], flags)
	binary.BigEndian.PutUint16(reply[4:], 1)
	clear(reply[6:headerBytes])
	if err == nil && (kind == typeA) == address.Is4() && (kind == typeA || kind == typeAAAA) {
		binary.BigEndian.PutUint16(reply[6:], 1)
		data := address.AsSlice()
		reply = append(reply, 0xc0, headerBytes)
		reply = binary.BigEndian.AppendUint16(reply, kind)
		reply = binary.BigEndian.AppendUint16(reply, 1)
		// Nobody is to remember it longer than the fault lasts.
		reply = binary.BigEndian.AppendUint32(reply, 0)
		reply = binary.BigEndian.AppendUint16(reply, uint16(len(data)))
		reply = append(reply, data...)
	}
	return reply
}

func relay(query []byte, upstream, network string) ([]byte, error) {
	conn, err := net.DialTimeout(network, upstream, upstreamIn)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(upstreamIn))
	if network == "tcp" {
		if err := writeFramed(conn, query); err != nil {
			return nil, err
		}
		return readFramed(conn)
	}
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	reply := make([]byte, largest)
	count, err := conn.Read(reply)
	return reply[:count], err
}

func readFramed(from io.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(from, size[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(from, body)
	return body, err
}

func writeFramed(to io.Writer, body []byte) error {
	_, err := to.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(body))), body...))
	return err
}

func nameServer(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "nameserver" {
			return net.JoinHostPort(fields[1], "53"), nil
		}
	}
	return "", fmt.Errorf("%s names no server", file)
}
