package main

import (
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"
)

// serveHTTP hits a share of the requests: with a delay, with another answer, or with both; the others pass.
func (h *Holder) serveHTTP(listener net.Listener, settings Settings) {
	transport := &http.Transport{DisableCompression: true, DisableKeepAlives: true, MaxIdleConns: 1}
	passing := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme = "http"
			r.Out.URL.Host = meant(r.In, settings.Port)
			r.Out.Host = r.In.Host
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
				if given, ok := r.In.Header[name]; ok {
					r.Out.Header[name] = given
				}
			}
		},
		ModifyResponse: func(answer *http.Response) error {
			if answer.Request.Context().Value(hit{}) != nil {
				replace(answer, settings)
			}
			return nil
		},
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.seen.Add(1)
		if rand.IntN(100) >= settings.Percent {
			passing.ServeHTTP(w, r)
			return
		}
		h.hits.Add(1)
		time.Sleep(jittered(settings.DelayMs, settings.JitterMs))
		switch {
		case settings.Body != nil:
			passing.ServeHTTP(w, r.WithContext(marked(r)))
		case settings.Status != 0:
			w.WriteHeader(settings.Status)
		default:
			passing.ServeHTTP(w, r)
		}
	})}
	h.end(server.Serve(listener).Error())
}

// replace gives an answer another body, and another status where one is set.
func replace(answer *http.Response, settings Settings) {
	_ = answer.Body.Close()
	if settings.Status != 0 {
		answer.StatusCode = settings.Status
	}
	answer.Body = io.NopCloser(strings.NewReader(*settings.Body))
	answer.ContentLength = int64(len(*settings.Body))
	answer.Header.Set("Content-Length", strconv.Itoa(len(*settings.Body)))
	answer.Header.Del("Content-Encoding")
	answer.Header.Del("Etag")
	answer.TransferEncoding = nil
}

// meant is where a request would have gone.
func meant(r *http.Request, port int) string {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	host := "127.0.0.1"
	if ok {
		if address, _, err := net.SplitHostPort(local.String()); err == nil {
			host = address
		}
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}
