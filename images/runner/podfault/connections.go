package main

import (
	"net"
	"strconv"
	"time"
)

const reconnectPause = 200 * time.Millisecond

// connect holds many connections to a port of the pod that say nothing, and opens those anew that are closed.
func (h *Holder) connect(settings Settings) error {
	address := net.JoinHostPort(ownAddress(), strconv.Itoa(settings.Port))
	first, err := net.DialTimeout("tcp", address, dialTimeout)
	if err != nil {
		return err
	}
	_ = first.Close()
	for range settings.Count {
		go h.occupy(address)
	}
	return nil
}

func (h *Holder) occupy(address string) {
	for {
		conn, err := net.DialTimeout("tcp", address, dialTimeout)
		if err == nil {
			h.seen.Add(1)
			h.hits.Add(1)
			_, _ = conn.Read(make([]byte, 1))
			h.hits.Add(-1)
			_ = conn.Close()
		}
		time.Sleep(reconnectPause)
	}
}

// ownAddress is that of the pod; an application may not listen on the loopback.
func ownAddress() string {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "127.0.0.1"
	}
	for _, each := range addresses {
		if network, ok := each.(*net.IPNet); ok && network.IP.IsGlobalUnicast() {
			return network.IP.String()
		}
	}
	return "127.0.0.1"
}
