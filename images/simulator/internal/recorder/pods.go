package recorder

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// Actions of records on objects.
const (
	observed = "observed"
	created  = "created"
	updated  = "updated"
	deleted  = "deleted"
)

// podObject is a Pod, as far as the recorder looks at it.
type podObject struct {
	Metadata metadata `json:"metadata"`
	Spec     struct {
		NodeName string `json:"nodeName"`
	} `json:"spec"`
	Status podStatus `json:"status"`
}

type podStatus struct {
	Phase                 string            `json:"phase"`
	Reason                string            `json:"reason"`
	Conditions            []podCondition    `json:"conditions"`
	InitContainerStatuses []containerStatus `json:"initContainerStatuses"`
	ContainerStatuses     []containerStatus `json:"containerStatuses"`
}

type podCondition struct {
	Type   string `json:"type"`
	Status string `json:"status"`
}

type containerStatus struct {
	Name         string `json:"name"`
	RestartCount int    `json:"restartCount"`
	ContainerID  string `json:"containerID"`
	State        state  `json:"state"`
	LastState    state  `json:"lastState"`
}

type state struct {
	Waiting *struct {
		Reason string `json:"reason"`
	} `json:"waiting"`
	Running    *struct{}    `json:"running"`
	Terminated *termination `json:"terminated"`
}

type termination struct {
	Reason     string `json:"reason"`
	ExitCode   int    `json:"exitCode"`
	FinishedAt string `json:"finishedAt"`
}

// podSummary is what a change of is a record.
type podSummary struct {
	Phase    string `json:"phase"`
	Reason   string `json:"reason,omitempty"`
	Ready    bool   `json:"ready"`
	Node     string `json:"node,omitempty"`
	Restarts int    `json:"restarts"`
	// Waiting is why a container does not run, such as CrashLoopBackOff.
	Waiting string `json:"waiting,omitempty"`
	// LastTermination is that of the container that ended last, such as OOMKilled.
	LastTermination string `json:"lastTermination,omitempty"`
	LastExitCode    int    `json:"lastExitCode,omitempty"`
	LastFinishedAt  string `json:"lastFinishedAt,omitempty"`
}

type podRecord struct {
	Action  string `json:"action"`
	Service string `json:"service"`
	Pod     string `json:"pod"`
	UID     string `json:"uid"`
	podSummary
}

// pods records changes of pods and starts following their logs.
type pods struct {
	ctx    context.Context
	store  *Store
	logs   *logFollower
	self   string
	known  map[string]podRecord
	listed map[string]bool
	now    func() time.Time
}

func newPods(ctx context.Context, store *Store, logs *logFollower, self string) *pods {
	return &pods{ctx: ctx, store: store, logs: logs, self: self, known: map[string]podRecord{}, listed: map[string]bool{}, now: time.Now}
}

func (p *pods) Listed(object json.RawMessage) {
	if pod, ok := p.decode(object); ok {
		p.listed[pod.Metadata.UID] = true
		p.see(pod, observed)
	}
}

func (p *pods) Synced() {
	for uid, last := range p.known {
		if !p.listed[uid] {
			p.forget(uid, last)
		}
	}
	clear(p.listed)
}

func (p *pods) Changed(kind string, object json.RawMessage) {
	pod, ok := p.decode(object)
	switch {
	case !ok:
	case kind == "DELETED":
		last := p.record(pod, deleted)
		p.forget(pod.Metadata.UID, last)
	default:
		p.see(pod, created)
	}
}

// decode reads a pod; those of the recorder itself and of injectors of faults are none of its business.
func (p *pods) decode(object json.RawMessage) (*podObject, bool) {
	pod := new(podObject)
	if err := json.Unmarshal(object, pod); err != nil {
		p.store.fail("decode", err)
		return nil, false
	}
	return pod, pod.Metadata.service() != p.self && !pod.Metadata.ofInjector()
}

func (p *pods) see(pod *podObject, first string) {
	uid := pod.Metadata.UID
	last, seen := p.known[uid]
	now := p.record(pod, first)
	if seen {
		now.Action = updated
	}
	if !seen || last.podSummary != now.podSummary {
		p.known[uid] = now
		p.append(now)
	}
	if pod.Metadata.faked() {
		return
	}
	for _, container := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		p.logs.update(p.ctx, logRecord{
			Service: now.Service, Pod: now.Pod, Container: container.Name, UID: uid,
		}, pod.Metadata.ofFlags(), containerState{container.ContainerID, container.RestartCount, container.State.Running == nil})
	}
}

func (p *pods) forget(uid string, last podRecord) {
	last.Action = deleted
	p.append(last)
	delete(p.known, uid)
	p.logs.gone(uid)
}

func (p *pods) append(record podRecord) {
	if record.Service == flagsName {
		p.store.Append(Truth, p.now(), struct {
			Record string `json:"record"`
			podRecord
		}{"pod", record})
		return
	}
	p.store.Append(Pods, p.now(), record)
}

func (p *pods) record(pod *podObject, action string) podRecord {
	return podRecord{action, pod.Metadata.service(), pod.Metadata.Name, pod.Metadata.UID, summarize(pod)}
}

func summarize(pod *podObject) podSummary {
	summary := podSummary{Phase: pod.Status.Phase, Reason: pod.Status.Reason, Node: pod.Spec.NodeName}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == "Ready" {
			summary.Ready = condition.Status == "True"
		}
	}
	for _, container := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
		summary.Restarts += container.RestartCount
		if waiting := container.State.Waiting; waiting != nil && summary.Waiting == "" {
			summary.Waiting = waiting.Reason
		}
		for _, ended := range []*termination{container.LastState.Terminated, container.State.Terminated} {
			// An init container that ended well is no news.
			if ended != nil && !(ended.ExitCode == 0 && ended.Reason == "Completed") && strings.Compare(ended.FinishedAt, summary.LastFinishedAt) >= 0 {
				summary.LastTermination, summary.LastExitCode, summary.LastFinishedAt = ended.Reason, ended.ExitCode, ended.FinishedAt
			}
		}
	}
	return summary
}
