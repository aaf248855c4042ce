package multiplex

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/kubeapi"
)

// cluster is an API server with one namespace: pods that are there from the start, flags, and no changes.
func cluster(t *testing.T, flagsText string, pods ...json.RawMessage) *kubeapi.Client {
	document, err := json.Marshal(flagsText)
	if err != nil {
		t.Fatal(err)
	}
	settings := json.RawMessage(fmt.Sprintf(`{"data":{"flags.json":%s}}`, document))
	stopped := make(chan struct{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		items := map[string][]json.RawMessage{
			"/api/v1/namespaces/bank/pods?kwok.x-k8s.io/node=fake":       pods,
			"/api/v1/namespaces/bank/configmaps?metadata.name=inner-set": {settings},
		}[r.URL.Path+"?"+r.FormValue("labelSelector")+r.FormValue("fieldSelector")]
		switch {
		case items == nil:
			http.Error(w, "forbidden", http.StatusForbidden)
		case r.FormValue("watch") != "":
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-stopped:
			}
		default:
			_ = json.NewEncoder(w).Encode(map[string]any{"metadata": map[string]string{"resourceVersion": "1"}, "items": items})
		}
	}))
	t.Cleanup(func() { close(stopped); server.Close() })
	directory := t.TempDir()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for name, content := range map[string][]byte{"ca.crt": authority, "namespace": []byte("bank"), "token": []byte("secret")} {
		if err := os.WriteFile(filepath.Join(directory, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	client, err := kubeapi.FromAccount(server.URL, directory)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestTheProcessServesWhatItsNamespaceAsksForAndTellsWhoseMetricsAreWhose(t *testing.T) {
	s := newStage(t)
	client := cluster(t, `{"flags":[{"service":"ledger","name":"failure","value":1}]}`,
		s.pod("up", 1, true, 10), json.RawMessage(strings.ReplaceAll(string(s.pod("down", 1, false, 10)), "ledger", "fees")))
	own := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, &config.Multiplexer{Name: "multiplexer", FlagsConfigMap: "inner-set", Address: own}, client)
	}()
	s.untilUp()
	s.until("failing by its flag", func(int, error) bool { return s.status() == http.StatusInternalServerError })
	text := ""
	deadline := time.After(10 * time.Second)
	for !strings.Contains(text, `http_requests_total{code="500",route="/read",service="ledger"}`) {
		select {
		case <-deadline:
			t.Fatalf("its metrics are not shown:\n%s", text)
		case <-time.After(5 * time.Millisecond):
		}
		text = get(t, "http://"+own+"/metrics")
	}
	for _, wanted := range []string{"multiplexed_services 1\n", "\nprocess_resident_memory_bytes "} {
		if !strings.Contains(text, wanted) {
			t.Errorf("%q is not shown", wanted)
		}
	}
	if strings.Contains(text, "flag") {
		t.Error("the metrics tell of flags")
	}
	if report := get(t, "http://"+own+"/readyz"); !strings.Contains(report, `"ready":true`) {
		t.Errorf("it is not ready: %s", report)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func (s *stage) status() int {
	response, err := http.Get("http://" + s.address() + "/read")
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

func get(t *testing.T, url string) string {
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
