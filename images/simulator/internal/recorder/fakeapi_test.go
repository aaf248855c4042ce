package recorder

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"firedrill.dev/simulator/internal/kubeapi"
)

// fakeAPI speaks the part of the Kubernetes API that the recorder needs: lists, watches and logs of pods.
type fakeAPI struct {
	t      *testing.T
	server *httptest.Server

	mutex   sync.Mutex
	version int
	objects map[string]map[string]string // by collection and name
	history []fakeChange
	changed chan struct{}
	logs    map[string]*fakeLog // by pod and container, "!" before it for the previous one
	stopped chan struct{}
}

type fakeChange struct {
	version           int
	collection, event string
}

// fakeLog is what a container wrote: lines with their times.
type fakeLog struct {
	lines   []string
	changed chan struct{}
	ended   bool
	cut     chan struct{} // closed to break the streams that are open
}

func newFakeAPI(t *testing.T) *fakeAPI {
	api := &fakeAPI{
		t: t, version: 1, objects: map[string]map[string]string{}, changed: make(chan struct{}),
		logs: map[string]*fakeLog{}, stopped: make(chan struct{}),
	}
	api.server = httptest.NewUnstartedServer(api)
	api.server.EnableHTTP2 = true
	api.server.StartTLS()
	t.Cleanup(func() { close(api.stopped); api.server.CloseClientConnections(); api.server.Close() })
	return api
}

// account writes the files of a service account.
func (a *fakeAPI) account() string {
	directory := a.t.TempDir()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.server.Certificate().Raw})
	for name, content := range map[string][]byte{"ca.crt": authority, "namespace": []byte("finance"), "token": []byte("secret\n")} {
		if err := os.WriteFile(filepath.Join(directory, name), content, 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return directory
}

func (a *fakeAPI) client() *kubeapi.Client {
	client, err := kubeapi.FromAccount(a.server.URL, a.account())
	if err != nil {
		a.t.Fatal(err)
	}
	return client
}

// put creates or changes an object; the text is without a resourceVersion.
func (a *fakeAPI) put(collection, name, object string) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.objects[collection] == nil {
		a.objects[collection] = map[string]string{}
	}
	kind := "ADDED"
	if _, known := a.objects[collection][name]; known {
		kind = "MODIFIED"
	}
	a.version++
	object = strings.Replace(object, `"metadata":{`, fmt.Sprintf(`"metadata":{"name":%q,"resourceVersion":"%d",`, name, a.version), 1)
	a.objects[collection][name] = object
	a.tell(collection, kind, object)
}

func (a *fakeAPI) remove(collection, name string) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	object := a.objects[collection][name]
	delete(a.objects[collection], name)
	a.version++
	a.tell(collection, "DELETED", object)
}

func (a *fakeAPI) tell(collection, kind, object string) {
	a.history = append(a.history, fakeChange{a.version, collection, fmt.Sprintf(`{"type":%q,"object":%s}`, kind, object)})
	close(a.changed)
	a.changed = make(chan struct{})
}

// write adds a line to a log; breakStreams and end are what happens to whoever follows it.
func (a *fakeAPI) write(name string, at time.Time, line string) {
	a.change(name, func(l *fakeLog) { l.lines = append(l.lines, at.UTC().Format(time.RFC3339Nano)+" "+line) })
}

func (a *fakeAPI) breakStreams(name string) {
	a.change(name, func(l *fakeLog) { close(l.cut); l.cut = make(chan struct{}) })
}

func (a *fakeAPI) end(name string) { a.change(name, func(l *fakeLog) { l.ended = true }) }

// restart makes the log the previous one and begins a new one.
func (a *fakeAPI) restart(name string) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.logs["!"+name] = a.logs[name]
	a.logs[name] = &fakeLog{changed: make(chan struct{}), cut: make(chan struct{})}
}

func (a *fakeAPI) change(name string, act func(*fakeLog)) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	found := a.logs[name]
	if found == nil {
		found = &fakeLog{changed: make(chan struct{}), cut: make(chan struct{})}
		a.logs[name] = found
	}
	act(found)
	close(found.changed)
	found.changed = make(chan struct{})
}

func (a *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	collection := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	switch {
	case r.Header.Get("Authorization") != "Bearer secret" || !strings.Contains(r.URL.Path, "/namespaces/finance/"):
		http.Error(w, "forbidden", http.StatusForbidden)
	case collection == "log":
		a.serveLog(w, r)
	case r.FormValue("watch") != "":
		a.serveWatch(w, r, collection)
	default:
		a.mutex.Lock()
		defer a.mutex.Unlock()
		items := []json.RawMessage{}
		for _, object := range a.objects[collection] {
			items = append(items, json.RawMessage(object))
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"metadata": map[string]string{"resourceVersion": fmt.Sprint(a.version)}, "items": items,
		})
	}
}

func (a *fakeAPI) serveWatch(w http.ResponseWriter, r *http.Request, collection string) {
	from, _ := strconv.Atoi(r.FormValue("resourceVersion"))
	for {
		a.mutex.Lock()
		for _, each := range a.history {
			if each.collection == collection && each.version > from {
				fmt.Fprintln(w, each.event)
			}
		}
		from = a.version
		changed := a.changed
		a.mutex.Unlock()
		w.(http.Flusher).Flush()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		case <-a.stopped:
			return
		}
	}
}

func (a *fakeAPI) serveLog(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	name := parts[len(parts)-2] + "/" + r.FormValue("container")
	if r.FormValue("previous") != "" {
		name = "!" + name
	}
	since, _ := time.Parse(time.RFC3339, r.FormValue("sinceTime"))
	a.mutex.Lock()
	found := a.logs[name]
	if found == nil {
		a.mutex.Unlock()
		http.Error(w, "no such log", http.StatusBadRequest)
		return
	}
	cut, sent := found.cut, 0
	a.mutex.Unlock()
	for {
		a.mutex.Lock()
		lines, changed, ended := found.lines[sent:], found.changed, found.ended
		a.mutex.Unlock()
		for _, line := range lines {
			stamp, _, _ := strings.Cut(line, " ")
			if at, err := time.Parse(time.RFC3339Nano, stamp); err != nil || !at.Before(since) {
				fmt.Fprintln(w, line)
			}
		}
		sent += len(lines)
		w.(http.Flusher).Flush()
		if ended || r.FormValue("follow") == "" {
			return
		}
		select {
		case <-changed:
		case <-cut:
			panic(http.ErrAbortHandler)
		case <-r.Context().Done():
			return
		case <-a.stopped:
			return
		}
	}
}
