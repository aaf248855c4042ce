package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func name(t *testing.T) string {
	return fmt.Sprintf("firedrill_t%d_%s", time.Now().UnixNano()%1e9, strings.ToLower(t.Name())[4:10])
}

func start(t *testing.T, given options) <-chan map[string]any {
	t.Helper()
	ended := make(chan map[string]any, 1)
	go func() {
		proof, err := hold(given)
		if err != nil {
			proof = map[string]any{"error": err.Error()}
		}
		ended <- proof
	}()
	return ended
}

func soon() float64 {
	return now() + 5
}

func application(t *testing.T, handler http.HandlerFunc) (*httptest.Server, int) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server, server.Listener.Addr().(*net.TCPAddr).Port
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func get(t *testing.T, port int) (int, string, time.Duration) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	began := time.Now()
	answer, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), time.Since(began)
}

func TestHoldersProxyAsTheyAreToldAndEndWhenTheyAreAsked(t *testing.T) {
	body := "no"
	_, port := application(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "yes") })
	for _, row := range []struct {
		settings Settings
		status   int
		body     string
		least    time.Duration
	}{
		{Settings{Mode: "delay", DelayMs: 150}, 200, "yes", 150 * time.Millisecond},
		{Settings{Mode: "http", Percent: 100, Status: 503}, 503, "", 0},
		{Settings{Mode: "http", Percent: 100, DelayMs: 150}, 200, "yes", 150 * time.Millisecond},
		{Settings{Mode: "http", Percent: 100, Body: &body}, 200, "no", 0},
		{Settings{Mode: "http", Percent: 100, Body: &body, Status: 404}, 404, "no", 0},
		{Settings{Mode: "http", Percent: 0, Status: 503}, 200, "yes", 0},
	} {
		row.settings.Port, row.settings.Listen = port, freePort(t)
		given := options{name: name(t), notAfter: soon(), seconds: 30, settings: row.settings}
		ended := start(t, given)
		if _, err := ask(given); err != nil {
			t.Fatal(err)
		}
		status, text, took := get(t, row.settings.Listen)
		if status != row.status || text != row.body || took < row.least {
			t.Errorf("%+v: %d %q after %s", row.settings, status, text, took)
		}
		proof, err := undo(given)
		if err != nil || !proof["found"].(bool) {
			t.Errorf("%v %v", proof, err)
		}
		if remaining := proof["remaining"].([]string); slices.Contains(remaining, given.name) {
			t.Errorf("%v", remaining)
		}
		if why := (<-ended)["ended"]; why != "asked to end" {
			t.Errorf("ended: %v", why)
		}
	}
}

func TestHoldersEndByThemselves(t *testing.T) {
	given := options{name: name(t), notAfter: now() + 0.5, seconds: 0.1, settings: Settings{Mode: "idle"}}
	began := time.Now()
	if why := (<-start(t, given))["ended"]; why != "its time is over" {
		t.Errorf("ended: %v", why)
	}
	if took := time.Since(began); took < grace {
		t.Errorf("after %s", took)
	}
}

func TestHoldersThatAreLateDoNotBegin(t *testing.T) {
	given := options{name: name(t), notAfter: now() - 0.1, seconds: 1, settings: Settings{Mode: "idle"}}
	if proof := <-start(t, given); !strings.Contains(fmt.Sprint(proof["error"]), "too late") {
		t.Errorf("%v", proof)
	}
}

func TestTheEndIsOnlyMovedToAnEarlierTime(t *testing.T) {
	given := options{name: name(t), notAfter: soon(), seconds: 1, settings: Settings{Mode: "idle"}}
	start(t, given)
	first, err := ask(given)
	if err != nil {
		t.Fatal(err)
	}
	longer := given
	longer.seconds = 1000
	second, err := ask(longer)
	if err != nil {
		t.Fatal(err)
	}
	if until := second["holder"].(Answer).Until; until > first["holder"].(Answer).Until+0.01 {
		t.Errorf("moved from %v to %v", first, second)
	}
	_, _ = undo(given)
}

func TestLoadsNeedAHolderAndAreSeenByTheirName(t *testing.T) {
	given := options{name: name(t), notAfter: soon(), seconds: 20, settings: Settings{Mode: "idle"}}
	if err := stress(given); err == nil || !strings.Contains(err.Error(), "holder is gone") {
		t.Errorf("without a holder: %v", err)
	}
	start(t, given)
	if _, err := ask(given); err != nil {
		t.Fatal(err)
	}
	line, err := lifeline(given.name, given.seconds)
	if err != nil {
		t.Fatal(err)
	}
	own, err := listenAt(given.name + "/load")
	if err != nil {
		t.Fatal(err)
	}
	told, err := ask(options{name: given.name, notAfter: soon()})
	if err != nil || !told["holder"].(Answer).Loaded {
		t.Errorf("%v %v", told, err)
	}
	go func() {
		_, _ = line.Read(make([]byte, 1))
		_ = own.Close()
	}()
	if proof, err := undo(given); err != nil {
		t.Errorf("a load ends with its holder: %v %v", proof, err)
	}
}

func TestUndoingNothingIsDone(t *testing.T) {
	proof, err := undo(options{name: name(t)})
	if err != nil || proof["found"].(bool) {
		t.Errorf("%v %v", proof, err)
	}
}

func TestNamesAreReadFromWhatTheKernelLists(t *testing.T) {
	listing := "Num       RefCount Protocol Flags    Type St Inode Path\n" +
		"0: 2 0 10000 0001 01 11 @firedrill_a_1\n0: 2 0 0 0001 03 12 @firedrill_a_1\n" +
		"0: 2 0 10000 0001 01 13 /run/a.sock\n0: 2 0 10000 0001 01 14 @other\n0: 3 0 0 0001 03 15\n" +
		"0: 2 0 10000 0001 01 16 @firedrill_a_1/load\n"
	if found := namesIn(listing); !slices.Equal(found, []string{"firedrill_a_1", "firedrill_a_1/load"}) {
		t.Errorf("%v", found)
	}
}

func TestNamesAreChecked(t *testing.T) {
	for _, wrong := range []string{"", "other", "firedrill_", "firedrill_A", "firedrill_a/load", "firedrill_a b"} {
		if checkName(wrong) == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}

func TestConnectionsAreHeldForTheirTimeAndThenLetGo(t *testing.T) {
	listener, err := net.Listen("tcp", net.JoinHostPort(ownAddress(), "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	closed := make(chan struct{}, 16)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = conn.Read(make([]byte, 1))
				closed <- struct{}{}
			}()
		}
	}()
	settings := Settings{Mode: "connections", Port: listener.Addr().(*net.TCPAddr).Port, Count: 3}
	given := options{name: name(t), notAfter: soon(), seconds: 0.3, settings: settings}
	start(t, given)
	if _, err := ask(given); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		<-closed
	}
	told, err := ask(options{name: given.name, notAfter: soon()})
	if err != nil || told["holder"].(Answer).Counted["hits"] != 3 {
		t.Errorf("it can still be asked: %v %v", told, err)
	}
	_, _ = undo(given)
}
