// Package kubeapi reads from the Kubernetes API server with the pod's service account: requests, lists and watches.
package kubeapi

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	accountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount"
	complaintLimit   = 512
	// streamBuffer bounds what a response that is not read yet holds in memory: hundreds of logs are followed at once.
	streamBuffer  = 64 << 10
	headerTimeout = 30 * time.Second
)

// ErrExpired says that the API server has forgotten the version from which changes were asked for.
var ErrExpired = errors.New("the resource version is too old")

// StatusError is an answer other than 200.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the API server answered %d: %s", e.Code, e.Message)
}

// Client asks one API server. It is safe for concurrent use.
type Client struct {
	// Namespace is the pod's own.
	Namespace string
	base      string
	tokenFile string
	http      *http.Client
}

// InCluster finds the API server as every pod does: by environment variables and the mounted service account.
func InCluster() (*Client, error) {
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return nil, errors.New("not in a cluster: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
	}
	return FromAccount("https://"+net.JoinHostPort(host, port), accountDirectory)
}

// FromAccount is a client of the API server at base with the files of a service account: namespace, ca.crt and token.
func FromAccount(base, directory string) (*Client, error) {
	namespace, err := os.ReadFile(filepath.Join(directory, "namespace"))
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(filepath.Join(directory, "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, fmt.Errorf("%s holds no certificate", filepath.Join(directory, "ca.crt"))
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute,
		ResponseHeaderTimeout: headerTimeout,
		// A dead connection is noticed by pings: a quiet log is not.
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream: streamBuffer, SendPingTimeout: headerTimeout, PingTimeout: headerTimeout / 2,
		},
	}
	return &Client{
		Namespace: strings.TrimSpace(string(namespace)), base: base,
		tokenFile: filepath.Join(directory, "token"), http: &http.Client{Transport: transport},
	}, nil
}

// Get opens the body at a path. Its errors are ErrExpired, a *StatusError, or those of the network.
func (c *Client) Get(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	// The kubelet renews the token in its file.
	token, err := os.ReadFile(c.tokenFile)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, complaintLimit))
	if response.StatusCode == http.StatusGone {
		err = errors.Join(ErrExpired, err)
	} else {
		err = errors.Join(&StatusError{response.StatusCode, strings.TrimSpace(string(text))}, err)
	}
	return nil, errors.Join(err, response.Body.Close())
}
