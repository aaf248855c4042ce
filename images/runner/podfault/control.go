package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Every name begins so. Abstract sockets belong to a network namespace, so all containers of a pod see them, and the
// kernel takes them away with the process: a name that is not listed is a process that is not there.
const prefix = "firedrill_"

const (
	askTimeout  = 5 * time.Second
	goneTimeout = 10 * time.Second
)

var nameForm = regexp.MustCompile(`^firedrill_[a-z0-9_]{1,64}$`)

func checkName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("--name must be %s and letters, digits or _, not %q", prefix, name)
	}
	return nil
}

type request struct {
	Do      string  `json:"do"`
	Seconds float64 `json:"seconds,omitempty"`
}

// Place is a process from whose root a load may be started in another container.
type Place struct {
	Pid int `json:"pid"`
	UID int `json:"uid"`
	GID int `json:"gid"`
}

// Answer is what a holder says of itself.
type Answer struct {
	Name    string           `json:"name"`
	Mode    string           `json:"mode"`
	Until   float64          `json:"until"`
	Counted map[string]int64 `json:"counted"`
	Places  []Place          `json:"places,omitempty"`
	Ready   bool             `json:"ready"`

	// Whether a load is there now, and how long it was.
	Loaded      bool    `json:"loaded"`
	LoadSeconds float64 `json:"loadSeconds"`
}

func listenAt(name string) (net.Listener, error) {
	listener, err := net.Listen("unix", "@"+name)
	if err != nil {
		return nil, fmt.Errorf("the name %s: %w", name, err)
	}
	return listener, nil
}

func dial(name string) (net.Conn, error) {
	conn, err := net.DialTimeout("unix", "@"+name, askTimeout)
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) {
		return nil, errNoHolder
	}
	return conn, err
}

// talk sends one request and reads the answer.
func talk(name string, wish request) (Answer, error) {
	var answer Answer
	conn, err := dial(name)
	if err != nil {
		return answer, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(askTimeout))
	if err := json.NewEncoder(conn).Encode(wish); err != nil {
		return answer, err
	}
	line, err := bufio.NewReader(conn).ReadBytes('\n')
	if err != nil {
		return answer, err
	}
	return answer, json.Unmarshal(line, &answer)
}

// ask tells what a holder says of itself; with --seconds it is to end so long from now. It waits for one that is about
// to start, until --not-after.
func ask(given options) (map[string]any, error) {
	wish := request{Do: "status"}
	if given.seconds > 0 {
		wish = request{Do: "begin", Seconds: given.seconds}
	}
	for {
		answer, err := talk(given.name, wish)
		if err == nil && answer.Ready {
			return map[string]any{"holder": answer}, nil
		}
		if given.late() != nil {
			return nil, fmt.Errorf("no holder is ready: %w", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// undo ends a holder with all that hangs on it, and lists what is left of us in this pod.
func undo(given options) (map[string]any, error) {
	answer, err := talk(given.name, request{Do: "end"})
	found := err == nil
	limit := time.Now().Add(goneTimeout)
	names := ours()
	for slices.ContainsFunc(names, given.owns) && time.Now().Before(limit) {
		time.Sleep(50 * time.Millisecond)
		names = ours()
	}
	proof := map[string]any{"action": "undo", "name": given.name, "found": found, "remaining": names}
	if found {
		proof["counted"] = answer.Counted
	}
	if slices.ContainsFunc(names, given.owns) {
		return proof, errors.New("a process of the fault is still there")
	}
	return proof, nil
}

func (given options) owns(name string) bool {
	return name == given.name || strings.HasPrefix(name, given.name+"/")
}

// ours are the names of our processes in this pod, as the kernel lists them.
func ours() []string {
	text, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return []string{prefix + "unreadable: " + err.Error()}
	}
	return namesIn(string(text))
}

func namesIn(listing string) []string {
	names := []string{}
	for line := range strings.Lines(listing) {
		_, name, ok := strings.Cut(strings.TrimSpace(line), " @")
		if ok && strings.HasPrefix(name, prefix) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// lifeline is a connection that ends with the holder; a load tells how long it is to live.
func lifeline(name string, seconds float64) (net.Conn, error) {
	conn, err := dial(name)
	if err != nil {
		return nil, err
	}
	return conn, json.NewEncoder(conn).Encode(request{Do: "live", Seconds: seconds})
}
