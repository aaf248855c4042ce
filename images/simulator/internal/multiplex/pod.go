package multiplex

import (
	"time"

	"firedrill.dev/simulator/internal/config"
)

// selector chooses the pods that are served for. It is the label that such nodes and pods go by elsewhere too.
const selector = "kwok.x-k8s.io/node=fake"

// pod is a faked Pod. It is written like that of a service with a process of its own: its configuration and its port are
// what is served with.
type pod struct {
	Metadata struct {
		UID               string            `json:"uid"`
		Name              string            `json:"name"`
		Labels            map[string]string `json:"labels"`
		CreationTimestamp time.Time         `json:"creationTimestamp"`
		DeletionTimestamp *time.Time        `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		Containers []struct {
			Env []struct {
				Name  string `json:"name"`
				Value string `json:"value"`
			} `json:"env"`
			Ports []struct {
				ContainerPort int `json:"containerPort"`
			} `json:"ports"`
		} `json:"containers"`
	} `json:"spec"`
	Status struct {
		Conditions []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
		} `json:"conditions"`
	} `json:"status"`
}

func (p *pod) service() string { return p.Metadata.Labels["app"] }

func (p *pod) up() bool {
	if p.Metadata.DeletionTimestamp != nil {
		return false
	}
	for _, condition := range p.Status.Conditions {
		if condition.Type == "Ready" {
			return condition.Status == "True"
		}
	}
	return false
}

// replica is what is kept of a pod that is up.
type replica struct {
	service string
	uid     string
	created time.Time
	serving serving
}

// serving is a configuration and the port that it is served on.
type serving struct {
	configuration string
	port          int
}

// replica is what there is to serve for the pod; not of one without a configuration or a port.
func (p *pod) replica() (replica, bool) {
	made := replica{service: p.service(), uid: p.Metadata.UID, created: p.Metadata.CreationTimestamp}
	for _, container := range p.Spec.Containers {
		for _, variable := range container.Env {
			if variable.Name == config.Variable {
				made.serving.configuration = variable.Value
			}
		}
		for _, port := range container.Ports {
			if made.serving.port == 0 {
				made.serving.port = port.ContainerPort
			}
		}
	}
	return made, made.service != "" && made.serving.configuration != "" && made.serving.port != 0
}

// newer tells which of two replicas is of the later revision: during a roll-out the one that was made last.
func (r *replica) newer(than *replica) bool {
	if r.created.Equal(than.created) {
		return r.uid > than.uid
	}
	return r.created.After(than.created)
}
