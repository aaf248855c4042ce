package multiplex

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/flags"
)

// given is a flagSource whose flags are set by the test.
type given struct {
	flags   []flags.Flag
	changed chan struct{}
}

func (g *given) Flags(string) ([]flags.Flag, <-chan struct{}) { return g.flags, g.changed }

type stage struct {
	t     *testing.T
	host  *host
	shown *gatherer
	port  int
}

func newStage(t *testing.T) *stage {
	ctx, cancel := context.WithCancel(context.Background())
	shown := newGatherer(prometheus.NewRegistry())
	made := newHost(ctx, &given{changed: make(chan struct{})}, shown, slog.New(slog.NewTextHandler(io.Discard, nil)))
	t.Cleanup(func() { cancel(); made.tasks.Wait() })
	return &stage{t, made, shown, freePort(t)}
}

func freePort(t *testing.T) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// pod is a faked pod of the service ledger that answers with so many bytes.
func (s *stage) pod(uid string, made int, ready bool, bytes int) json.RawMessage {
	configuration, err := json.Marshal(fmt.Sprintf(`{"name":"ledger","endpoints":[{"path":"/read","responseBytes":%d},{"path":"/slow","latency":{"median":3}}]}`, bytes))
	if err != nil {
		s.t.Fatal(err)
	}
	at := time.Unix(int64(made), 0).UTC().Format(time.RFC3339)
	return json.RawMessage(fmt.Sprintf(
		`{"metadata":{"uid":%q,"labels":{"app":"ledger"},"creationTimestamp":%q},
		"spec":{"containers":[{"env":[{"name":"SIM_CONFIG","value":%s}],"ports":[{"containerPort":%d}]}]},
		"status":{"conditions":[{"type":"Ready","status":%q}]}}`,
		uid, at, configuration, s.port, map[bool]string{true: "True", false: "False"}[ready]))
}

func (s *stage) address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// size is that of an answer; an error when there is none.
func (s *stage) size() (int, error) {
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + s.address() + "/read")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return len(body), err
}

func (s *stage) until(what string, holds func(size int, err error) bool) {
	s.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		size, err := s.size()
		if holds(size, err) {
			return
		}
		select {
		case <-deadline:
			s.t.Fatalf("not %s: %d bytes, %v", what, size, err)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (s *stage) untilUp() {
	s.t.Helper()
	s.until("served", func(_ int, err error) bool { return err == nil })
}

func (s *stage) untilRefused() {
	s.t.Helper()
	s.until("refused", func(_ int, err error) bool {
		return err != nil && strings.Contains(err.Error(), syscall.ECONNREFUSED.Error())
	})
}

func TestAServiceIsServedWhileOneOfItsPodsIsReady(t *testing.T) {
	s := newStage(t)
	s.host.Synced()
	if s.host.unready() != "" {
		t.Error("it is not ready after the pods were listed")
	}
	for _, step := range []struct {
		name  string
		act   func()
		close bool
	}{
		{"a pod that is not ready", func() { s.host.Changed("ADDED", s.pod("a", 1, false, 10)) }, true},
		{"it becomes ready", func() { s.host.Changed("MODIFIED", s.pod("a", 1, true, 10)) }, false},
		{"a second one", func() { s.host.Changed("ADDED", s.pod("b", 1, true, 10)) }, false},
		{"the first goes", func() { s.host.Changed("DELETED", s.pod("a", 1, true, 10)) }, false},
		{"the second is ready no more", func() { s.host.Changed("MODIFIED", s.pod("b", 1, false, 10)) }, true},
		{"it is again", func() { s.host.Changed("MODIFIED", s.pod("b", 1, true, 10)) }, false},
		{"it is being deleted", func() {
			going := strings.Replace(string(s.pod("b", 1, true, 10)), `"uid":"b"`, `"uid":"b","deletionTimestamp":"2026-01-01T00:00:00Z"`, 1)
			s.host.Changed("MODIFIED", json.RawMessage(going))
		}, true},
		{"another takes its place", func() { s.host.Changed("ADDED", s.pod("c", 2, true, 10)) }, false},
		{"a new listing without it", func() { s.host.Synced() }, true},
		{"a new listing with it", func() { s.host.Listed(s.pod("c", 2, true, 10)); s.host.Synced() }, false},
	} {
		t.Log(step.name)
		step.act()
		if step.close {
			s.untilRefused()
		} else {
			s.untilUp()
		}
	}
}

func TestRequestsInFlightAreLostWithTheLastPod(t *testing.T) {
	s := newStage(t)
	s.host.Changed("ADDED", s.pod("a", 1, true, 10))
	s.untilUp()
	connection, err := net.Dial("tcp", s.address())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	// The service asks for the body, so it has begun to work.
	request := "POST /slow HTTP/1.1\r\nHost: ledger\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
	if _, err := io.WriteString(connection, request); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(connection)
	if line, err := reader.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("it said %q, %v", line, err)
	}
	if _, err := io.WriteString(connection, "{}"); err != nil {
		t.Fatal(err)
	}
	s.host.Changed("DELETED", s.pod("a", 1, true, 10))
	rest, err := io.ReadAll(reader)
	var timeout net.Error
	if strings.Contains(string(rest), "HTTP/1.1") || (errors.As(err, &timeout) && timeout.Timeout()) {
		t.Errorf("the request outlived the pods: %q, %v", rest, err)
	}
}

func TestTheNewestReadyPodSaysHowItIsServed(t *testing.T) {
	s := newStage(t)
	s.host.Changed("ADDED", s.pod("old", 1, true, 1000))
	s.until("served", func(size int, err error) bool { return err == nil && size < 1500 })
	s.host.Changed("ADDED", s.pod("new", 2, true, 5000))
	s.until("served anew", func(size int, err error) bool { return err == nil && size > 4000 })
	s.host.Changed("DELETED", s.pod("old", 1, true, 1000))
	s.until("served anew still", func(size int, err error) bool { return err == nil && size > 4000 })
}

func TestFlagsReachTheServicesAndNoMetricOfTheProcessIsTheirs(t *testing.T) {
	s := newStage(t)
	source := &given{[]flags.Flag{{Name: flags.Failure, Value: 1}}, make(chan struct{})}
	s.host.flags = source
	s.host.Changed("ADDED", s.pod("a", 1, true, 10))
	s.untilUp()
	response, err := http.Get("http://" + s.address() + "/read")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusInternalServerError {
		t.Errorf("it answered %d, want 500 by the flag", response.StatusCode)
	}
	families, err := s.shown.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := 0.0
	for _, family := range families {
		if strings.HasPrefix(family.GetName(), "process_") {
			t.Errorf("%s is shown for a service", family.GetName())
		}
		for _, metric := range family.Metric {
			labels := map[string]string{}
			for _, pair := range metric.Label {
				labels[pair.GetName()] = pair.GetValue()
			}
			if labels["service"] != "ledger" {
				t.Errorf("%s has the labels %v", family.GetName(), labels)
			}
			if family.GetName() == "http_requests_total" && labels["code"] == "500" {
				counted += metric.Counter.GetValue()
			}
		}
	}
	if counted == 0 {
		t.Error("the failed requests are not counted")
	}
}
