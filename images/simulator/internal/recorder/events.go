package recorder

import (
	"encoding/json"
	"strings"
	"time"
)

// eventObject is an Event of events.k8s.io/v1, as far as the recorder looks at it.
type eventObject struct {
	Metadata            metadata `json:"metadata"`
	EventTime           string   `json:"eventTime"`
	ReportingController string   `json:"reportingController"`
	Reason              string   `json:"reason"`
	Note                string   `json:"note"`
	Type                string   `json:"type"`
	Regarding           struct {
		Kind      string `json:"kind"`
		Name      string `json:"name"`
		FieldPath string `json:"fieldPath"`
	} `json:"regarding"`
	Series *struct {
		Count            int    `json:"count"`
		LastObservedTime string `json:"lastObservedTime"`
	} `json:"series"`
	DeprecatedSource struct {
		Component string `json:"component"`
	} `json:"deprecatedSource"`
	DeprecatedLastTimestamp string `json:"deprecatedLastTimestamp"`
	DeprecatedCount         int    `json:"deprecatedCount"`
}

type eventRecord struct {
	UID        string `json:"uid"`
	Type       string `json:"type"`
	Reason     string `json:"reason"`
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	FieldPath  string `json:"fieldPath,omitempty"`
	Message    string `json:"message"`
	Controller string `json:"controller"`
	Count      int    `json:"count"`
}

// events records Events, and each of their repetitions.
type events struct {
	store *Store
	self  string
	// counts of Events that are recorded, by UID.
	counts map[string]int
	now    func() time.Time
}

func newEvents(store *Store, self string) *events {
	return &events{store: store, self: self, counts: map[string]int{}, now: time.Now}
}

// recorded takes note of an Event that an earlier process has recorded.
func (e *events) recorded(uid string, count int) { e.counts[uid] = count }

func (e *events) Listed(object json.RawMessage) { e.see(object) }

func (e *events) Synced() {}

func (e *events) Changed(kind string, object json.RawMessage) {
	if kind != "DELETED" {
		e.see(object)
		return
	}
	var gone eventObject
	if err := json.Unmarshal(object, &gone); err != nil {
		e.store.fail("decode", err)
		return
	}
	delete(e.counts, gone.Metadata.UID)
}

func (e *events) see(object json.RawMessage) {
	var event eventObject
	if err := json.Unmarshal(object, &event); err != nil {
		e.store.fail("decode", err)
		return
	}
	count := max(1, event.DeprecatedCount)
	if event.Series != nil {
		count = max(count, event.Series.Count)
	}
	if e.counts[event.Metadata.UID] >= count {
		return
	}
	e.counts[event.Metadata.UID] = count
	controller := event.ReportingController
	if controller == "" {
		controller = event.DeprecatedSource.Component
	}
	record := eventRecord{
		UID: event.Metadata.UID, Type: event.Type, Reason: event.Reason, Kind: event.Regarding.Kind, Name: event.Regarding.Name,
		FieldPath: event.Regarding.FieldPath, Message: event.Note, Controller: controller, Count: count,
	}
	switch {
	case isOf(record.Name, e.self):
	case tellsOfFaults(&event, controller):
		e.store.Append(Truth, e.timeOf(&event), struct {
			Record string `json:"record"`
			eventRecord
		}{"event", record})
	default:
		e.store.Append(Events, e.timeOf(&event), record)
	}
}

func tellsOfFaults(event *eventObject, controller string) bool {
	return isOf(event.Regarding.Name, flagsName) || isInjector(controller) || event.Metadata.ofInjector() ||
		hasInjectorKey(event.Metadata.Annotations) || isInjector(event.Regarding.Name) ||
		strings.HasPrefix(event.Regarding.FieldPath, "spec.ephemeralContainers{") || strings.Contains(event.Note, injectorDomain)
}

// isOf tells whether an object's name is that of a workload or of what it makes: its ReplicaSets and pods.
func isOf(name, workload string) bool {
	return name == workload || strings.HasPrefix(name, workload+"-")
}

func (e *events) timeOf(event *eventObject) time.Time {
	texts := []string{event.DeprecatedLastTimestamp, event.EventTime, event.Metadata.CreationTimestamp}
	if event.Series != nil {
		texts = append([]string{event.Series.LastObservedTime}, texts...)
	}
	for _, text := range texts {
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return at
		}
	}
	return e.now()
}
