// Package hl7sender is the role hl7-sender: a feed of HL7 v2 messages over MLLP, each sent until it is acknowledged.
package hl7sender

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/hl7"
	"firedrill.dev/simulator/internal/metrics"
	"firedrill.dev/simulator/internal/peer"
	"firedrill.dev/simulator/internal/role"
)

const (
	port           = "2575"
	connectTimeout = 5 * time.Second
	ackTimeout     = 10 * time.Second
	retryFirst     = time.Second
	retryLast      = 15 * time.Second
	// lateAfter is from when an acknowledgment counts as late.
	lateAfter = 2 * time.Second
)

func init() { role.Register("hl7-sender", New) }

type sender struct {
	rt      *role.Runtime
	service string
	address string
	limiter *rate.Limiter
	// run tells the messages of this process from those of an earlier one with the same seed.
	run        uint32
	connection net.Conn
	reader     *bufio.Reader

	acks     *prometheus.CounterVec
	late     prometheus.Counter
	duration prometheus.Observer
}

// New sets the role up.
func New(_ context.Context, rt *role.Runtime) (role.Role, error) {
	s := &sender{rt: rt, run: rand.Uint32()}
	name, base, err := rt.Called("hl7-receiver")
	if err != nil {
		return nil, err
	}
	parsed, err := url.Parse(base)
	if err != nil || parsed.Hostname() == "" {
		return nil, &config.Error{Field: "calls." + name, Reason: fmt.Sprintf("%q is not a URL", base)}
	}
	s.service, s.address = name, net.JoinHostPort(parsed.Hostname(), rt.Option("port", port))
	perSecond, err := rt.Number("rate", 1, 1e-3)
	if err != nil {
		return nil, err
	}
	s.limiter = rate.NewLimiter(rate.Limit(perSecond), 1)
	s.acks = metrics.Counter(rt.Metrics, "hl7_sent_total", "Messages by what came back: AA, AE, AR, wrong, timeout or unreachable.", "ack")
	s.late = metrics.Counter(rt.Metrics, "hl7_late_acknowledgments_total", "Acknowledgments that took longer than 2 seconds.").WithLabelValues()
	s.duration = metrics.Histogram(rt.Metrics, "hl7_acknowledgment_duration_seconds", "Time from sending a message to its acknowledgment.", metrics.Buckets).WithLabelValues()
	return s, nil
}

// Run sends one message after the other until ctx is done.
func (s *sender) Run(ctx context.Context) error {
	defer s.disconnect()
	for n := uint64(0); s.limiter.Wait(ctx) == nil; n++ {
		control := fmt.Sprintf("%08x-%d", s.run, n)
		s.deliver(ctx, control, newMessage(s.rt.Key, s.rt.Config.Name, control, n, time.Now().UTC()))
	}
	return nil
}

// deliver sends a message until it is accepted, or rejected for good.
func (s *sender) deliver(ctx context.Context, control string, message []byte) {
	wait := retryFirst
	for ctx.Err() == nil {
		started := time.Now()
		code, err := s.exchange(ctx, control, message)
		if ctx.Err() != nil {
			return
		}
		s.acks.WithLabelValues(code).Inc()
		s.rt.Readiness.Observe(s.service, peer.Kind, err)
		if err == nil {
			elapsed := time.Since(started)
			s.duration.Observe(elapsed.Seconds())
			if elapsed > lateAfter {
				s.late.Inc()
			}
			return
		}
		s.rt.Log.Warn("a message was not accepted", "control_id", control, "ack", code, "error", err.Error())
		if code == hl7.Reject {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, retryLast)
	}
}

// exchange sends a message and waits for its acknowledgment; only Accept comes without an error.
func (s *sender) exchange(ctx context.Context, control string, message []byte) (code string, err error) {
	if s.connection == nil {
		dialer := net.Dialer{Timeout: connectTimeout}
		connection, err := dialer.DialContext(ctx, "tcp", s.address)
		if err != nil {
			return "unreachable", err
		}
		s.connection, s.reader = connection, bufio.NewReader(connection)
	}
	connection := s.connection
	stop := context.AfterFunc(ctx, func() { _ = connection.SetDeadline(time.Now()) }) // a closed connection waits for nothing
	defer stop()
	answer, err := s.converse(message)
	if err != nil {
		s.disconnect()
		var network net.Error
		if errors.As(err, &network) && network.Timeout() {
			return "timeout", err
		}
		return "unreachable", err
	}
	code, err = judge(control, answer)
	if code == wrong { // what else arrives on this connection may be as wrong
		s.disconnect()
	}
	return code, err
}

func (s *sender) converse(message []byte) ([]byte, error) {
	if err := s.connection.SetDeadline(time.Now().Add(ackTimeout)); err != nil {
		return nil, err
	}
	if err := hl7.WriteFrame(s.connection, message); err != nil {
		return nil, err
	}
	return hl7.ReadFrame(s.reader)
}

const wrong = "wrong"

// judge reads an acknowledgment; it is wrong if it is none, or one of another message.
func judge(control string, answer []byte) (code string, err error) {
	parsed, err := hl7.Parse(answer)
	if err != nil {
		return wrong, err
	}
	if referred := parsed.Component("MSA", 2, 1); referred != control {
		return wrong, fmt.Errorf("the acknowledgment is of message %q", referred)
	}
	switch code = parsed.Field("MSA", 1); code {
	case hl7.Accept:
		return code, nil
	case hl7.Fail, hl7.Reject:
		return code, fmt.Errorf("the receiver says: %s", parsed.Component("MSA", 3, 1))
	}
	return wrong, fmt.Errorf("%q is no acknowledgment code", code)
}

func (s *sender) disconnect() {
	if s.connection == nil {
		return
	}
	if err := s.connection.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		s.rt.Log.Warn("the connection did not close cleanly", "error", err.Error())
	}
	s.connection, s.reader = nil, nil
}
