package recorder

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/config"
)

// bench is a recorder at work on a fake API server.
type bench struct {
	t         *testing.T
	api       *fakeAPI
	directory string
	store     *Store
	made      *recorder
	end       func()
}

func startBench(t *testing.T) *bench {
	b := &bench{t: t, api: newFakeAPI(t), directory: t.TempDir()}
	return b
}

// start runs a recorder on what an earlier one left.
func (b *bench) start() {
	b.t.Helper()
	registry := prometheus.NewRegistry()
	b.store = openStore(b.t, b.directory, 1<<30)
	b.made = newRecorder(b.api.client(), &config.Recorder{Name: "recorder"}, b.store, registry, quiet)
	if err := b.made.restore(); err != nil {
		b.t.Fatal(err)
	}
	storing, recording := running(b.store.Run), running(b.made.run)
	ended := false
	b.end = func() {
		if !ended {
			ended = true
			recording()
			storing()
		}
	}
	b.t.Cleanup(b.end)
	b.until(func() bool { return b.made.unready() == "" }, "the recorder is not ready")
}

func (b *bench) until(condition func() bool, complaint string) {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatal(complaint)
		}
	}
}

func (b *bench) rows(stream string) []map[string]any {
	b.t.Helper()
	var rows []map[string]any
	if err := b.store.Read(stream, time.Time{}, time.Now().Add(time.Hour), func(line []byte) error {
		var row map[string]any
		rows = append(rows, nil)
		err := json.Unmarshal(line, &row)
		rows[len(rows)-1] = row
		return err
	}); err != nil {
		b.t.Fatal(err)
	}
	return rows
}

func (b *bench) column(stream, name string) []string {
	var found []string
	for _, row := range b.rows(stream) {
		found = append(found, fmt.Sprint(row[name]))
	}
	return found
}

func (b *bench) expect(stream, name string, wanted ...string) {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !reflect.DeepEqual(b.column(stream, name), wanted) {
		if time.Now().After(deadline) {
			b.t.Fatalf("%s has %v, want %v", stream, b.column(stream, name), wanted)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func podText(app, container, id string, restarts int, running bool, last string) string {
	state := `"running":{}`
	if !running {
		state = `"terminated":{"reason":"Error","exitCode":1,"finishedAt":"2026-01-01T00:00:00Z"}`
	}
	return fmt.Sprintf(`{"metadata":{"uid":"uid-%s","labels":{"app":%q}},"spec":{"nodeName":"node-1"},"status":{"phase":"Running",
		"conditions":[{"type":"Ready","status":"%s"}],"containerStatuses":[{"name":%q,"containerID":%q,"restartCount":%d,
		"state":{%s},"lastState":{%s}}]}}`, app, app, map[bool]string{true: "True", false: "False"}[running], container, id, restarts, state, last)
}

const oomKilled = `"terminated":{"reason":"OOMKilled","exitCode":137,"finishedAt":"2026-01-02T00:00:00Z"}`

func TestLogsAreRecordedOnceAcrossBreaksRestartsAndANewRecorder(t *testing.T) {
	b := startBench(t)
	at := time.Now().Add(-time.Minute).Truncate(time.Second)
	write := func(milliseconds int, line string) {
		b.api.write("gateway-1/gateway", at.Add(time.Duration(milliseconds)*time.Millisecond), line)
	}
	write(1, "one")
	write(2, "two")
	b.api.put("pods", "gateway-1", podText("gateway", "gateway", "c1", 0, true, ""))
	b.start()
	b.expect(Logs, "line", "one", "two")

	b.api.breakStreams("gateway-1/gateway")
	write(2, "two, in the same instant")
	write(3, "three")
	b.expect(Logs, "line", "one", "two", "two, in the same instant", "three")

	b.end() // and while no recorder runs:
	write(4, "four")
	b.start()
	write(5, "five")
	b.expect(Logs, "line", "one", "two", "two, in the same instant", "three", "four", "five")

	write(6, "six")
	b.api.end("gateway-1/gateway")
	b.api.restart("gateway-1/gateway")
	write(7, "seven, of the next container")
	b.api.put("pods", "gateway-1", podText("gateway", "gateway", "c2", 1, true, oomKilled))
	b.expect(Logs, "line", "one", "two", "two, in the same instant", "three", "four", "five", "six", "seven, of the next container")
	if row := b.rows(Logs)[0]; row["service"] != "gateway" || row["pod"] != "gateway-1" || row["container"] != "gateway" {
		t.Errorf("got %v", row)
	}
}

func TestGroundTruthIsInItsOwnStreamAndNowhereElse(t *testing.T) {
	b := startBench(t)
	b.start()
	now := time.Now()
	flag := `{"flags":[{"service":"ledger","name":"memoryLeak","value":4}]}`
	config := func(document string) string {
		return fmt.Sprintf(`{"metadata":{"uid":"f"},"data":{"flags.json":%q}}`, document)
	}
	b.api.put("configmaps", "flags", config(`{"flags":[]}`))
	b.api.put("configmaps", "flags", config(flag))
	b.api.put("deployments", "flags", `{"metadata":{"uid":"d","labels":{"app":"flags"}},"spec":{"env":"memoryLeak"}}`)
	b.api.put("deployments", "ledger", `{"metadata":{"uid":"l","managedFields":[{"manager":"firedrill","operation":"Apply","time":"2026-01-01T00:00:00Z"}]},"spec":{"why":"memoryLeak"}}`)
	b.api.put("deployments", "gateway", `{"metadata":{"uid":"g","managedFields":[{"manager":"kubectl","operation":"Apply","time":"2026-01-01T00:00:00Z"}]},"spec":{"template":{"metadata":{"annotations":{"firedrill.dev/run":"memoryLeak","team":"a"}}}}}`)
	b.api.write("flags-1/flags", now, `{"msg":"listening for memoryLeak"}`)
	b.api.write("ledger-1/ledger", now, `{"msg":"flags changed","flags":[{"name":"memoryLeak"}]}`)
	b.api.write("ledger-1/ledger", now, `{"msg":"request"}`)
	b.api.put("pods", "flags-1", podText("flags", "flags", "c", 0, true, ""))
	b.api.put("pods", "ledger-1", podText("ledger", "ledger", "c", 0, true, ""))
	for i, event := range []string{
		`"regarding":{"kind":"Pod","name":"flags-1"},"note":"memoryLeak"`,
		`"regarding":{"kind":"Pod","name":"ledger-1"},"note":"memoryLeak","reportingController":"firedrill.dev/runner"`,
		`"regarding":{"kind":"Pod","name":"ledger-1","fieldPath":"spec.ephemeralContainers{firedrill-1-in}"},"note":"Started memoryLeak"`,
		`"regarding":{"kind":"Pod","name":"ledger-1"},"note":"Killing","reportingController":"kubelet"`,
	} {
		b.api.put("events", fmt.Sprint(i), fmt.Sprintf(`{"metadata":{"uid":"e%d"},"reason":"R","type":"Normal",%s}`, i, event))
	}
	b.expect(Logs, "line", `{"msg":"request"}`)
	b.expect(Events, "message", "Killing")
	b.expect(Changes, "name", "gateway")
	b.expect(Pods, "pod", "ledger-1")
	kinds := map[string]int{}
	b.until(func() bool {
		clear(kinds)
		for _, kind := range b.column(Truth, "record") {
			kinds[kind]++
		}
		return reflect.DeepEqual(kinds, map[string]int{"flags": 2, "change": 1, "log": 2, "event": 3, "pod": 1})
	}, fmt.Sprint("the truth has ", kinds))
	for _, stream := range []string{Logs, Events, Changes, Pods} {
		for _, row := range b.rows(stream) {
			if text := fmt.Sprint(row); strings.Contains(text, "memoryLeak") || strings.Contains(text, "firedrill") {
				t.Errorf("%s tells of it: %v", stream, row)
			}
		}
	}
	documents := []string{}
	for _, row := range b.rows(Truth) {
		if row["record"] == "flags" {
			documents = append(documents, row["document"].(string))
		}
	}
	if !reflect.DeepEqual(documents, []string{`{"flags":[]}`, flag}) {
		t.Errorf("the flags were %v", documents)
	}
}

func TestChangesNameWhoChangedWhat(t *testing.T) {
	b := startBench(t)
	managed := func(entries ...string) string {
		var fields []string
		for i := 0; i < len(entries); i += 3 {
			fields = append(fields, fmt.Sprintf(`{"manager":%q,"operation":"Update","subresource":%q,"time":%q}`, entries[i], entries[i+1], entries[i+2]))
		}
		return `"managedFields":[` + strings.Join(fields, ",") + `]`
	}
	const day = "2026-01-01T00:00:0"
	b.api.put("deployments", "ledger", `{"metadata":{"uid":"1",`+managed("simulation", "", day+"1Z")+`},"spec":{"replicas":1,"image":"a"}}`)
	b.start()
	b.expect(Changes, "action", observed)
	b.api.put("deployments", "ledger", `{"metadata":{"uid":"1",`+managed("simulation", "", day+"1Z", "kubectl-set", "", day+"2Z")+`},"spec":{"replicas":1,"image":"b"}}`)
	b.api.put("deployments", "ledger", `{"metadata":{"uid":"1",`+managed("simulation", "", day+"1Z", "kubectl-set", "", day+"2Z", "kube-controller-manager", "status", day+"3Z")+`},"spec":{"replicas":1,"image":"b"}}`)
	b.api.put("deployments", "ledger", `{"metadata":{"uid":"1",`+managed("simulation", "", day+"1Z", "kubectl-set", "", day+"2Z", "autoscaler", "scale", day+"4Z")+`},"spec":{"replicas":3,"image":"b"}}`)
	b.api.remove("deployments", "ledger")
	b.expect(Changes, "action", observed, updated, updated, deleted)
	b.expect(Changes, "manager", "simulation", "kubectl-set", "autoscaler", "")
	var patches []string
	for _, row := range b.rows(Changes) {
		text, err := json.Marshal(row["patch"])
		if err != nil {
			t.Fatal(err)
		}
		patches = append(patches, string(text))
	}
	wanted := []string{`{"spec":{"image":"a","replicas":1}}`, `{"spec":{"image":"b"}}`, `{"spec":{"replicas":3}}`, `null`}
	if !reflect.DeepEqual(patches, wanted) {
		t.Errorf("got %v", patches)
	}
}

func TestPodsAreRecordedWhenTheirStateChangesAndEventsWhenTheyRepeat(t *testing.T) {
	b := startBench(t)
	b.start()
	b.api.put("pods", "ledger-1", podText("ledger", "ledger", "c1", 0, true, ""))
	b.api.put("pods", "ledger-1", podText("ledger", "ledger", "c1", 0, true, ""))
	b.api.put("pods", "ledger-1", podText("ledger", "ledger", "c2", 1, false, oomKilled))
	b.api.remove("pods", "ledger-1")
	b.expect(Pods, "action", created, updated, deleted)
	b.expect(Pods, "restarts", "0", "1", "1")
	b.expect(Pods, "ready", "true", "false", "false")
	b.expect(Pods, "lastTermination", "<nil>", "OOMKilled", "OOMKilled")
	event := func(count int) string {
		return fmt.Sprintf(`{"metadata":{"uid":"e"},"eventTime":"%s","reason":"BackOff","series":{"count":%d}}`, time.Now().UTC().Format(time.RFC3339Nano), count)
	}
	b.api.put("events", "e", event(1))
	b.api.put("events", "e", event(1))
	b.api.put("events", "e", event(2))
	b.expect(Events, "count", "1", "2")
	b.end()
	b.start()
	b.api.put("events", "e", event(3))
	b.expect(Events, "count", "1", "2", "3")
}
