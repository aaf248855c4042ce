package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"time"
)

const dialTimeout = 10 * time.Second

// proxy stands before a port of the application. Who comes to it was redirected by the packet filter.
func (h *Holder) proxy(settings Settings) error {
	address := ":" + strconv.Itoa(settings.Listen)
	if settings.Mode == "dns" {
		return h.answerNames(address, settings)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	switch settings.Mode {
	case "http":
		go h.serveHTTP(listener, settings)
	case "tls":
		config, err := wrongCertificate(settings.Certificate)
		if err != nil {
			return err
		}
		go h.accept(tls.NewListener(listener, config), func(conn net.Conn) { h.terminate(conn, settings) })
	default:
		go h.accept(listener, func(conn net.Conn) { h.delay(conn, settings) })
	}
	return nil
}

func (h *Holder) accept(listener net.Listener, serve func(net.Conn)) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			h.end(err.Error())
			return
		}
		h.seen.Add(1)
		go func() {
			defer conn.Close()
			serve(conn)
		}()
	}
}

// behind connects to the application, at the address that was meant.
func behind(conn net.Conn, port int) (net.Conn, error) {
	host, _, err := net.SplitHostPort(conn.LocalAddr().String())
	if err != nil {
		return nil, err
	}
	return net.DialTimeout("tcp", net.JoinHostPort(host, strconv.Itoa(port)), dialTimeout)
}

// delay hands on what the application answers, each piece so much later than it came.
func (h *Holder) delay(conn net.Conn, settings Settings) {
	application, err := behind(conn, settings.Port)
	if err != nil {
		return
	}
	defer application.Close()
	go forward(application, conn)
	h.hits.Add(1)
	pieces := make(chan piece, 256)
	go receive(application, pieces, func() time.Duration { return jittered(settings.DelayMs, settings.JitterMs) })
	for each := range pieces {
		time.Sleep(time.Until(each.due))
		if _, err := conn.Write(each.bytes); err != nil {
			return
		}
	}
	time.Sleep(10 * time.Millisecond)
}

type piece struct {
	bytes []byte
	due   time.Time
}

// receive puts a time on all that comes; the order is kept.
func receive(from io.Reader, pieces chan<- piece, late func() time.Duration) {
	defer close(pieces)
	var last time.Time
	for {
		buffer := make([]byte, 16*1024)
		count, err := from.Read(buffer)
		if count > 0 {
			due := time.Now().Add(late())
			if due.Before(last) {
				due = last
			}
			last = due
			pieces <- piece{buffer[:count], due}
		}
		if err != nil {
			return
		}
	}
}

func jittered(delay, jitter int) time.Duration {
	wanted := float64(delay)
	if jitter > 0 {
		wanted += (2*rand.Float64() - 1) * float64(jitter)
	}
	return time.Duration(max(wanted, 0) * float64(time.Millisecond))
}

// forward copies to the end, and hands the end on.
func forward(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// terminate shows the wrong certificate; who takes it is served by the application.
func (h *Holder) terminate(conn net.Conn, settings Settings) {
	h.hits.Add(1)
	if err := conn.(*tls.Conn).Handshake(); err != nil {
		return
	}
	plain, err := behind(conn, settings.Port)
	if err != nil {
		return
	}
	defer plain.Close()
	// What is said stays in the pod: the application is where it was, and nobody is between it and us.
	application := tls.Client(plain, &tls.Config{InsecureSkipVerify: true})
	if err := application.Handshake(); err != nil {
		fmt.Println("the application does not speak TLS:", err)
		return
	}
	go forward(application, conn)
	_, _ = io.Copy(conn, application)
}
