package flagserver

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/readiness"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

func makeStore() *store {
	registry := prometheus.NewRegistry()
	return newStore(registry, readiness.New(registry), quiet)
}

func TestParseNamesWhatIsWrong(t *testing.T) {
	for name, test := range map[string]struct{ text, complaint string }{
		"nothing":       {"", ""},
		"no flags":      {`{"flags":[]}`, ""},
		"one":           {`{"flags":[{"service":"*","name":"slow","value":0.5}]}`, ""},
		"cut off":       {`{"flags":`, "unexpected"},
		"unknown field": {`{"flags":[{"service":"a","name":"slow","value":1,"unit":"s"}]}`, "flags[0].unit"},
		"unknown flag":  {`{"flags":[{"service":"a","name":"slow","value":1},{"service":"a","name":"sloow","value":1}]}`, "flags[1].name"},
		"no service":    {`{"flags":[{"name":"slow","value":1}]}`, "flags[0].service"},
		"out of range":  {`{"flags":[{"service":"a","name":"failure","value":1.5}]}`, "flags[0].value"},
		"twice":         {`{"flags":[{"service":"a","name":"slow","value":1},{"service":"a","name":"slow","value":2}]}`, "flags[1]"},
		"text as value": {`{"flags":[{"service":"a","name":"slow","value":"1"}]}`, "flags[0].value"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse(test.text)
			if (err == nil) != (test.complaint == "") {
				t.Fatalf("got %v", err)
			}
			if err != nil && !strings.Contains(err.Error(), test.complaint) {
				t.Errorf("%q does not name %q", err, test.complaint)
			}
		})
	}
}

func TestAnswerIsForOneServiceAndTheSpecificFlagWins(t *testing.T) {
	held := makeStore()
	held.offer(`{"flags":[{"service":"ledger","name":"slow","value":2},{"service":"*","name":"slow","value":1},{"service":"*","name":"logStorm","value":9}]}`)
	for service, wanted := range map[string][]flags.Flag{
		"ledger":  {{Name: "logStorm", Value: 9}, {Name: "slow", Value: 2}},
		"gateway": {{Name: "logStorm", Value: 9}, {Name: "slow", Value: 1}},
	} {
		if answer, _ := held.answer(service); !reflect.DeepEqual(answer.Flags, wanted) {
			t.Errorf("%s is told %v, want %v", service, answer.Flags, wanted)
		}
	}
}

func TestRefusedDocumentLeavesTheLastGoodOneAndIsTold(t *testing.T) {
	held := makeStore()
	if held.readiness.Report().Ready {
		t.Error("ready before the flags were read")
	}
	held.offer(`{"flags":[{"service":"a","name":"slow","value":1}]}`)
	before, _ := held.answer("a")
	held.offer(`{"flags":[{"service":"a","name":"sloow","value":1}]}`)
	after, _ := held.answer("a")
	report := held.readiness.Report()
	if !reflect.DeepEqual(before, after) || !report.Ready {
		t.Errorf("the flags became %v, readiness %+v", after, report)
	}
	if !strings.Contains(report.Notes[refusedNote], "sloow") {
		t.Errorf("/readyz says %q", report.Notes[refusedNote])
	}
	if refused := testutil.ToFloat64(held.documents.WithLabelValues("refused")); refused != 1 {
		t.Errorf("%g documents were counted as refused", refused)
	}
	held.offer("")
	if report := held.readiness.Report(); report.Notes[refusedNote] != "" {
		t.Errorf("/readyz still says %q", report.Notes[refusedNote])
	}
}

func ask(t *testing.T, server *httptest.Server, service, revision string) flags.Answer {
	t.Helper()
	response, err := http.Get(server.URL + "/flags?service=" + service + "&revision=" + revision)
	if err != nil {
		t.Error(err)
		return flags.Answer{}
	}
	defer response.Body.Close()
	var answer flags.Answer
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Error(err)
	}
	return answer
}

func TestPollWaitsForAChangeOfTheServicesOwnFlags(t *testing.T) {
	held := makeStore()
	held.offer("")
	server := httptest.NewServer(&poll{held, time.Hour, nil})
	defer server.Close()
	first := ask(t, server, "ledger", "")
	answers := make(chan flags.Answer)
	go func() { answers <- ask(t, server, "ledger", first.Revision) }()
	held.offer(`{"flags":[{"service":"gateway","name":"slow","value":1}]}`)
	select {
	case answer := <-answers:
		t.Fatalf("the poll ended with %v for a flag of another service", answer)
	case <-time.After(50 * time.Millisecond):
	}
	held.offer(`{"flags":[{"service":"ledger","name":"slow","value":3}]}`)
	answer := <-answers
	if len(answer.Flags) != 1 || answer.Flags[0].Value != 3 || answer.Revision == first.Revision {
		t.Errorf("got %v", answer)
	}
}

func TestPollEndsWithoutNewsWhenTimeIsUp(t *testing.T) {
	held := makeStore()
	held.offer("")
	server := httptest.NewServer(&poll{held, time.Millisecond, nil})
	defer server.Close()
	first := ask(t, server, "ledger", "")
	if again := ask(t, server, "ledger", first.Revision); !reflect.DeepEqual(first, again) {
		t.Errorf("got %v, then %v", first, again)
	}
}

// apiServer speaks the part of the Kubernetes API that a watch on one ConfigMap needs.
func apiServer(t *testing.T, events <-chan string) (server *httptest.Server, account string) {
	server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/namespaces/finance/configmaps" || r.FormValue("fieldSelector") != "metadata.name=flags" || r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "forbidden", http.StatusForbidden)
			return
		}
		if r.FormValue("watch") == "" {
			fmt.Fprint(w, `{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"resourceVersion":"5"},"data":{"flags.json":"listed"}}]}`)
			return
		}
		w.(http.Flusher).Flush()
		for {
			select {
			case event, open := <-events:
				if !open || event == "" {
					return
				}
				fmt.Fprintln(w, strings.ReplaceAll(event, "FROM", r.FormValue("resourceVersion")))
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	}))
	account = t.TempDir()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, content := range map[string][]byte{"ca.crt": authority, "namespace": []byte("finance"), "token": []byte("secret\n")} {
		if err := os.WriteFile(filepath.Join(account, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return server, account
}

func TestConfigMapIsFollowed(t *testing.T) {
	events := make(chan string)
	server, account := apiServer(t, events)
	defer server.Close()
	source, err := fromAccount(server.URL, account, "flags", quiet)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	offered, done := make(chan string, 10), make(chan struct{})
	go func() { source.follow(ctx, func(text string) { offered <- text }); close(done) }()
	expect := func(wanted string) {
		t.Helper()
		select {
		case got := <-offered:
			if got != wanted {
				t.Fatalf("got %q, want %q", got, wanted)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%q did not come", wanted)
		}
	}
	expect("listed")
	events <- `{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"8"},"data":{"flags.json":"since FROM"}}}`
	expect("since 7")
	events <- "" // the API server ends a watch now and then
	events <- `{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"9"},"data":{"flags.json":"since FROM"}}}`
	expect("since 8")
	events <- `{"type":"DELETED","object":{"metadata":{"resourceVersion":"10"},"data":{"flags.json":"gone"}}}`
	expect("")
	events <- `{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"11"}}}`
	events <- `{"type":"ERROR","object":{"kind":"Status","code":410}}`
	expect("listed")
	cancel()
	<-done
}
