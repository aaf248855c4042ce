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

// release lets go of all connections, some time before the holder ends: until then it can be asked how it went.
func (h *Holder) release(after time.Duration) {
	h.releasing.Do(func() { time.AfterFunc(after, func() { close(h.released) }) })
}

func (h *Holder) occupy(address string) {
	for {
		conn, err := net.DialTimeout("tcp", address, dialTimeout)
		if err == nil {
			h.hits.Add(1)
			ended := make(chan struct{})
			go func() {
				_, _ = conn.Read(make([]byte, 1))
				close(ended)
			}()
			select {
			case <-ended:
			case <-h.released:
			}
			_ = conn.Close()
		}
		select {
		case <-h.released:
			return
		case <-time.After(reconnectPause):
		}
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
