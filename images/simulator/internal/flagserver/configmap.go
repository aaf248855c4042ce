package flagserver

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/url"

	"firedrill.dev/simulator/internal/kubeapi"
)

const documentKey = "flags.json"

// configMap follows one ConfigMap of a namespace on the API server.
type configMap struct {
	client *kubeapi.Client
	name   string
	log    *slog.Logger
}

func inCluster(name string, log *slog.Logger) (*configMap, error) {
	client, err := kubeapi.InCluster()
	return &configMap{client, name, log}, err
}

func fromAccount(base, directory, name string, log *slog.Logger) (*configMap, error) {
	client, err := kubeapi.FromAccount(base, directory)
	return &configMap{client, name, log}, err
}

// follow offers the document, again when it changes, until ctx is done. A ConfigMap that is not there has no flags.
func (c *configMap) follow(ctx context.Context, offer func(string)) {
	query := url.Values{"fieldSelector": {"metadata.name=" + c.name}}
	c.client.Follow(ctx, "/api/v1/namespaces/"+c.client.Namespace+"/configmaps", query, &documents{offer: offer, log: c.log}, c.log)
}

// documents takes the document out of the versions of the ConfigMap.
type documents struct {
	offer  func(string)
	log    *slog.Logger
	listed string
}

func (d *documents) Listed(object json.RawMessage) { d.listed = d.textOf(object) }

func (d *documents) Synced() {
	d.offer(d.listed)
	d.listed = ""
}

func (d *documents) Changed(kind string, object json.RawMessage) {
	if kind == "DELETED" {
		d.offer("")
		return
	}
	d.offer(d.textOf(object))
}

func (d *documents) textOf(object json.RawMessage) string {
	var found struct {
		Data map[string]string `json:"data"`
	}
	if err := json.Unmarshal(object, &found); err != nil {
		d.log.Error("the ConfigMap could not be decoded", "error", err.Error())
	}
	return found.Data[documentKey]
}
