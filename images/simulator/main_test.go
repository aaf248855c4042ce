package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const childVariable = "SIMULATOR_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

func TestWrongConfigurationIsOneLineAndExitCode64(t *testing.T) {
	for name, test := range map[string]struct {
		arguments     []string
		configuration string
		line          string
	}{
		"no subcommand":      {nil, `{}`, "usage: "},
		"unknown subcommand": {[]string{"serve"}, `{}`, "usage: "},
		"field of a service": {[]string{"service"}, `{"name":"a","endpoints":[{"path":"/a","errorRate":7}]}`, "SIM_CONFIG: endpoints[0].errorRate: 7 is not between 0 and 1"},
		"unknown role":       {[]string{"service"}, `{"name":"a","role":"mainframe"}`, `SIM_CONFIG: role: "mainframe" is none of`},
		"unknown schema": {[]string{"service"}, `{"name":"a","databases":{"d":{"kind":"postgres","url":"postgres://h/d","schema":"graph"}}}`,
			`SIM_CONFIG: databases.d.schema: "graph" is none of`},
		"unknown operation": {[]string{"service"}, `{"name":"a","databases":{"d":{"kind":"postgres","url":"postgres://h/d","schema":"ledger"}},
			"endpoints":[{"path":"/a","script":[{"query":{"database":"d","operation":"drop"}}]}]}`,
			`SIM_CONFIG: endpoints[0].script[0].query.operation: the schema of d has no "drop"`},
		"load without a rate": {[]string{"load"}, `{"name":"load"}`, "SIM_CONFIG: rate: "},
		"multiplex":           {[]string{"multiplex"}, `{"podSelector":""}`, "SIM_CONFIG: podSelector: unknown field"},
		"flags":               {[]string{"flags"}, `{"path":"/flags.json"}`, "SIM_CONFIG: path: unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			command := exec.Command(os.Args[0], test.arguments...)
			command.Env = []string{childVariable + "=1", "SIM_CONFIG=" + test.configuration}
			var stderr bytes.Buffer
			command.Stderr = &stderr
			var exited *exec.ExitError
			if err := command.Run(); !errors.As(err, &exited) || exited.ExitCode() != 64 {
				t.Errorf("it ended with %v, want exit code 64", err)
			}
			if text := stderr.String(); !strings.HasPrefix(text, test.line) || strings.Count(text, "\n") != 1 {
				t.Errorf("it said %q, want one line with %q", text, test.line)
			}
		})
	}
}
