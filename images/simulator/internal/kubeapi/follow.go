package kubeapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strconv"
	"time"
)

const (
	watchSeconds = 300
	watchGrace   = 30 * time.Second
	retryAfter   = 2 * time.Second
	pageSize     = 100
	pageLimit    = 16 << 20
)

// Follower is told of the objects of a collection. Its methods are called one at a time.
type Follower interface {
	// Listed is told of each object that is there when following starts, and when it has to start anew.
	Listed(object json.RawMessage)
	// Synced ends a listing: what was not listed is gone.
	Synced()
	// Changed is told of a change: ADDED, MODIFIED or DELETED.
	Changed(kind string, object json.RawMessage)
}

type version struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
}

type page struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
		Continue        string `json:"continue"`
	} `json:"metadata"`
	Items []json.RawMessage `json:"items"`
}

type change struct {
	Type   string          `json:"type"`
	Object json.RawMessage `json:"object"`
}

// Follow tells a follower of the collection at path, restricted by a query, until ctx is done.
func (c *Client) Follow(ctx context.Context, path string, query url.Values, follower Follower, log *slog.Logger) {
	complaint := ""
	for ctx.Err() == nil {
		at, err := c.list(ctx, path, query, follower)
		for err == nil {
			complaint = ""
			at, err = c.watch(ctx, path, query, at, follower)
		}
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, ErrExpired) {
			continue
		}
		if text := err.Error(); text != complaint {
			complaint = text
			log.Error("a collection could not be followed; trying again", "path", path, "error", text)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryAfter):
		}
	}
}

func (c *Client) list(ctx context.Context, path string, query url.Values, follower Follower) (string, error) {
	next := ""
	for {
		asked := with(query, "limit", strconv.Itoa(pageSize))
		if next != "" {
			asked.Set("continue", next)
		}
		found, err := c.page(ctx, path, asked)
		if err != nil {
			return "", err
		}
		for _, item := range found.Items {
			follower.Listed(item)
		}
		if next = found.Metadata.Continue; next == "" {
			follower.Synced()
			return found.Metadata.ResourceVersion, nil
		}
	}
}

func (c *Client) page(ctx context.Context, path string, query url.Values) (*page, error) {
	ctx, cancel := context.WithTimeout(ctx, watchGrace)
	defer cancel()
	body, err := c.Get(ctx, path, query)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	found := new(page)
	return found, json.NewDecoder(io.LimitReader(body, pageLimit)).Decode(found)
}

// watch follows changes since a version until the API server ends it, and gives the version it got to.
func (c *Client) watch(ctx context.Context, path string, query url.Values, at string, follower Follower) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, watchSeconds*time.Second+watchGrace)
	defer cancel()
	asked := with(query, "watch", "1")
	asked.Set("resourceVersion", at)
	asked.Set("allowWatchBookmarks", "true")
	asked.Set("timeoutSeconds", strconv.Itoa(watchSeconds))
	body, err := c.Get(ctx, path, asked)
	if err != nil {
		return "", err
	}
	defer body.Close()
	decoder := json.NewDecoder(body)
	for {
		var seen change
		if err := decoder.Decode(&seen); errors.Is(err, io.EOF) {
			return at, nil
		} else if err != nil {
			return "", err
		}
		if seen.Type == "ERROR" {
			return "", fmt.Errorf("%w: %s", ErrExpired, seen.Object)
		}
		var reached version
		if err := json.Unmarshal(seen.Object, &reached); err != nil {
			return "", err
		}
		if seen.Type != "BOOKMARK" {
			follower.Changed(seen.Type, seen.Object)
		}
		at = reached.Metadata.ResourceVersion
	}
}

func with(query url.Values, name, value string) url.Values {
	made := url.Values{}
	for key, values := range query {
		made[key] = values
	}
	made.Set(name, value)
	return made
}
