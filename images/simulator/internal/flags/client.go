package flags

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// longPoll is how long the server may keep a poll waiting.
	longPoll    = 30 * time.Second
	pollTimeout = longPoll + 10*time.Second
	retryFirst  = 500 * time.Millisecond
	retryLast   = 10 * time.Second
	answerLimit = 1 << 20
)

// Client follows a service's flags on the flags server. While the server cannot be reached the last flags stay.
type Client struct {
	base    string
	service string
	set     *Set
	log     *slog.Logger
	http    *http.Client
}

// NewClient makes a client that keeps set equal to the flags of a service on the server at base.
func NewClient(base, service string, set *Set, log *slog.Logger) *Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: 90 * time.Second}
	return &Client{strings.TrimSuffix(base, "/"), service, set, log, &http.Client{Transport: transport, Timeout: pollTimeout}}
}

// Run follows the flags until ctx is done.
func (c *Client) Run(ctx context.Context) {
	revision, wait, failing := "", retryFirst, false
	for ctx.Err() == nil {
		answer, err := c.poll(ctx, revision)
		if err == nil {
			if failing {
				c.log.Info("the flags server answers again")
			}
			wait, failing, revision = retryFirst, false, answer.Revision
			c.set.Replace(answer.Flags)
			continue
		}
		if ctx.Err() != nil {
			return
		}
		if !failing {
			c.log.Warn("the flags server does not answer; the flags stay as they are", "error", err.Error())
		}
		failing = true
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, retryLast)
	}
}

func (c *Client) poll(ctx context.Context, revision string) (*Answer, error) {
	query := url.Values{"service": {c.service}, "revision": {revision}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/flags?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerLimit))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the flags server answered %s", response.Status)
	}
	answer := new(Answer)
	if err := json.Unmarshal(body, answer); err != nil {
		return nil, err
	}
	return answer, nil
}
