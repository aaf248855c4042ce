package config

import (
	"errors"
	"testing"
)

func TestWrongServiceConfigurationNamesTheField(t *testing.T) {
	for name, test := range map[string]struct{ text, field string }{
		"not JSON":               {`{`, ""},
		"no name":                {`{}`, "name"},
		"unknown field":          {`{"name":"a","colour":"red"}`, "colour"},
		"unknown nested field":   {`{"name":"a","endpoints":[{"path":"/a","latency":{"mean":1}}]}`, "endpoints[0].latency.mean"},
		"repeated field":         {`{"name":"a","name":"b"}`, "name"},
		"wrong type":             {`{"name":"a","endpoints":[{"path":7}]}`, "endpoints[0].path"},
		"negative seed":          {`{"name":"a","seed":-1}`, "seed"},
		"share above 1":          {`{"name":"a","logSample":2}`, "logSample"},
		"relative path":          {`{"name":"a","endpoints":[{"path":"pay"}]}`, "endpoints[0].path"},
		"path taken twice":       {`{"name":"a","endpoints":[{"path":"/a"},{"path":"/a"}]}`, "endpoints[1].path"},
		"reserved path":          {`{"name":"a","endpoints":[{"path":"/metrics"}]}`, "endpoints[0].path"},
		"p99 below median":       {`{"name":"a","endpoints":[{"path":"/a","latency":{"median":2,"p99":1}}]}`, "endpoints[0].latency.p99"},
		"two acts in a step":     {`{"name":"a","endpoints":[{"path":"/a","script":[{"sleep":{"median":1},"compute":{"median":1}}]}]}`, "endpoints[0].script[0]"},
		"no act in a step":       {`{"name":"a","endpoints":[{"path":"/a","script":[{}]}]}`, "endpoints[0].script[0]"},
		"call without a service": {`{"name":"a","endpoints":[{"path":"/a","script":[{"call":{"url":"http://b"}}]}]}`, "endpoints[0].script[0].call.service"},
		"call to no URL":         {`{"name":"a","endpoints":[{"path":"/a","script":[{"call":{"service":"b","url":"b:80"}}]}]}`, "endpoints[0].script[0].call.url"},
		"undefined broker":       {`{"name":"a","endpoints":[{"path":"/a","script":[{"publish":{"broker":"k","topic":"t"}}]}]}`, "endpoints[0].script[0].publish.broker"},
		"undefined database":     {`{"name":"a","consumes":[],"endpoints":[{"path":"/a","script":[{"query":{"database":"d","operation":"read"}}]}]}`, "endpoints[0].script[0].query.database"},
		"nested parallel":        {`{"name":"a","endpoints":[{"path":"/a","script":[{"parallel":[{"parallel":[]}]}]}]}`, "endpoints[0].script[0].parallel[0].parallel"},
		"fault in a parallel":    {`{"name":"a","endpoints":[{"path":"/a","script":[{"parallel":[{"sleep":{"median":-1}}]}]}]}`, "endpoints[0].script[0].parallel[0].sleep.median"},
		"unknown kind of broker": {`{"name":"a","brokers":{"k":{"kind":"amqp","address":"k:1"}}}`, "brokers.k.kind"},
		"address without a port": {`{"name":"a","caches":{"c":{"kind":"redis","address":"redis"}}}`, "caches.c.address"},
		"consumer with no group": {`{"name":"a","brokers":{"k":{"kind":"kafka","address":"k:1"}},"consumes":[{"broker":"k","topic":"t"}]}`, "consumes[0].group"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse[Service]([]byte(test.text))
			var wrong *Error
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if wrong.Field != test.field || wrong.Reason == "" {
				t.Errorf("got field %q (%s), want %q", wrong.Field, wrong.Reason, test.field)
			}
		})
	}
}

func TestWrongLoadConfigurationNamesTheField(t *testing.T) {
	for name, test := range map[string]struct{ text, field string }{
		"no rate":         {`{"name":"l"}`, "rate"},
		"no entries":      {`{"name":"l","rate":1}`, "entries"},
		"no weight":       {`{"name":"l","rate":1,"entries":[{"name":"a","url":"http://a"}]}`, "entries"},
		"unknown body":    {`{"name":"l","rate":1,"entries":[{"name":"a","url":"http://a","weight":1,"body":"xml"}]}`, "entries[0].body"},
		"amplitude":       {`{"name":"l","rate":1,"shape":{"amplitude":1.5}}`, "shape.amplitude"},
		"burst too long":  {`{"name":"l","rate":1,"bursts":{"every":5,"duration":6}}`, "bursts.duration"},
		"negative weight": {`{"name":"l","rate":1,"entries":[{"name":"a","url":"http://a","weight":-1}]}`, "entries[0].weight"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse[Load]([]byte(test.text))
			var wrong *Error
			if !errors.As(err, &wrong) || wrong.Field != test.field {
				t.Errorf("got %v, want the field %q named", err, test.field)
			}
		})
	}
}

func TestWholeServiceConfigurationIsAccepted(t *testing.T) {
	service, err := Parse[Service]([]byte(`{
	 "name": "gateway", "simulation": "finance", "seed": 42, "version": "1", "role": "http", "options": {"audit": "pci"},
	 "endpoints": [{"path": "/pay", "errorRate": 0.0005, "latency": {"median": 0.003, "p99": 0.02}, "responseBytes": 256, "timeout": 2.0,
	   "script": [
	     {"call": {"service": "ledger", "url": "http://ledger:8080/entries", "probability": 0.5, "timeout": 1.0, "retries": 2}},
	     {"sleep": {"median": 0.002, "p99": 0.01}}, {"compute": {"median": 0.001}},
	     {"publish": {"broker": "kafka", "topic": "payments"}}, {"query": {"database": "ledger", "operation": "transfer"}},
	     {"parallel": [{"cache": {"cache": "cache", "operation": "get", "hitRatio": 0.9}}, {"sleep": {"median": 1}}]}]}],
	 "consumes": [{"broker": "kafka", "topic": "payments", "group": "settlement", "script": []}],
	 "brokers": {"kafka": {"kind": "kafka", "address": "kafka:9092"}, "mqtt": {"kind": "mqtt", "address": "mqtt:1883"}},
	 "databases": {"ledger": {"kind": "postgres", "url": "postgres://sim@postgres-ledger:5432/ledger?sslmode=disable", "schema": "ledger"}},
	 "caches": {"cache": {"kind": "redis", "address": "redis:6379"}},
	 "flagsUrl": "http://flags:8080", "settingsFile": "/etc/settings/settings.json", "logSample": 0.1, "otlpEndpoint": ""}`))
	if err != nil {
		t.Fatal(err)
	}
	call := service.Endpoints[0].Script[0].Call
	if *call.Probability != 0.5 || call.Retries != 2 || call.Timeout.Duration().Milliseconds() != 1000 {
		t.Errorf("the call was read as %+v", call)
	}
}
