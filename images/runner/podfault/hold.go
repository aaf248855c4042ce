package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Holder keeps a fault alive until it is told to end, or its time is over.
type Holder struct {
	name    string
	mode    string
	mu      sync.Mutex
	until   time.Time
	over    *time.Timer
	ended   chan string
	gone    chan struct{}
	began   time.Time
	lasted  time.Duration
	hits    atomic.Int64
	seen    atomic.Int64
	places  []Place
	started atomic.Bool

	releasing sync.Once
	released  chan struct{}
}

// The holder outlives the latest end of the fault by grace, and a load by so much that it can be asked how it went.
const (
	grace     = 2 * time.Second
	afterLoad = 5 * time.Second
)

func hold(given options) (map[string]any, error) {
	if err := given.late(); err != nil {
		return nil, err
	}
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP)
	listener, err := listenAt(given.name)
	if err != nil {
		return nil, err
	}
	until := unix(given.notAfter).Add(span(given.seconds) + grace)
	defer listener.Close()
	holder := &Holder{
		name: given.name, mode: given.settings.Mode, until: until, ended: make(chan string, 4), gone: make(chan struct{}),
		released: make(chan struct{}),
	}
	defer close(holder.gone)
	holder.over = time.AfterFunc(time.Until(until), func() { holder.end("its time is over") })
	go holder.serve(listener)
	if err := holder.begin(given.settings); err != nil {
		return nil, err
	}
	holder.started.Store(true)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	go func() { <-asked; holder.end("SIGTERM") }()
	why := <-holder.ended
	return map[string]any{"action": "hold", "ended": why, "counted": holder.counted()}, nil
}

func (h *Holder) begin(settings Settings) error {
	switch settings.Mode {
	case "idle":
		places, err := h.stand(settings.Perches)
		h.places = places
		return err
	case "delay", "http", "tls", "dns":
		return h.proxy(settings)
	case "connections":
		return h.connect(settings)
	}
	return fmt.Errorf("no mode %q", settings.Mode)
}

func (h *Holder) end(why string) {
	select {
	case h.ended <- why:
	default:
	}
}

func (h *Holder) counted() map[string]int64 {
	return map[string]int64{"hits": h.hits.Load(), "seen": h.seen.Load()}
}

func (h *Holder) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			h.end(err.Error())
			return
		}
		go h.converse(conn)
	}
}

func (h *Holder) converse(conn net.Conn) {
	defer conn.Close()
	line, err := bufio.NewReader(conn).ReadBytes('\n')
	var wish request
	if err != nil || json.Unmarshal(line, &wish) != nil {
		return
	}
	switch wish.Do {
	case "live":
		if wish.Seconds > 0 {
			h.loaded(span(wish.Seconds))
			defer h.unloaded()
		}
		h.stay(conn)
		return
	case "begin":
		left := span(wish.Seconds)
		if h.mode == "connections" {
			h.release(left)
			left += afterLoad
		}
		h.shorten(left)
	}
	_ = json.NewEncoder(conn).Encode(h.answer())
	if wish.Do == "end" {
		h.end("asked to end")
	}
}

// shorten moves the end to so long from now; it is never moved to a later time.
func (h *Holder) shorten(left time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	wanted := time.Now().Add(left)
	if wanted.Before(h.until) {
		h.until = wanted
		h.over.Reset(left)
	}
}

// stay waits until the other side has gone, or we do.
func (h *Holder) stay(conn net.Conn) {
	other := make(chan struct{})
	go func() {
		_, _ = conn.Read(make([]byte, 1))
		close(other)
	}()
	select {
	case <-other:
	case <-h.gone:
	}
}

func (h *Holder) loaded(seconds time.Duration) {
	h.shorten(seconds + afterLoad)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.began = time.Now()
}

func (h *Holder) unloaded() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lasted = max(h.lasted, time.Since(h.began))
	h.began = time.Time{}
}

func (h *Holder) answer() Answer {
	h.mu.Lock()
	defer h.mu.Unlock()
	lasted := h.lasted
	if !h.began.IsZero() {
		lasted = max(lasted, time.Since(h.began))
	}
	return Answer{
		Name:    h.name,
		Mode:    h.mode,
		Until:   float64(h.until.UnixMilli()) / 1000,
		Counted: h.counted(),
		Places:  h.places,
		Ready:   h.started.Load(),

		Loaded:      slices.Contains(ours(), h.name+"/load"),
		LoadSeconds: lasted.Seconds(),
	}
}
