// Package role is what a kind of simulated service is made of.
//
// A role is a constructor in a map. It gets a Runtime with everything that the process has set up already, adds its
// routes and dependencies, and returns a Role whose Run does the work that no request asks for:
//
//	func init() { role.Register("fhir", New) }
//
//	func New(ctx context.Context, rt *role.Runtime) (role.Role, error) {
//		database, err := rt.Dependencies.Database("emr")
//		...
//		rt.HTTP.Handle("GET /Patient/{id}", handler) // measured, logged, traced, subject to the flags
//		scripted.Mount(rt)                           // the endpoints of the configuration too, if wanted
//		return role.Idle, nil
//	}
//
// The package internal/service imports the packages of all roles for their init.
package role

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/dependency"
	"firedrill.dev/simulator/internal/flags"
	"firedrill.dev/simulator/internal/httpserver"
	"firedrill.dev/simulator/internal/readiness"
	"firedrill.dev/simulator/internal/script"
	"firedrill.dev/simulator/internal/seeded"
	"firedrill.dev/simulator/internal/settings"
	"firedrill.dev/simulator/internal/trace"
)

// Default is the role of a service that names none.
const Default = "http"

// Runtime is what a role builds on. All parts are safe for concurrent use.
type Runtime struct {
	// Config is the service's checked configuration; a role checks its own Options with Option and config.Error.
	Config *config.Service
	// Flags are the inner fault flags set now. The HTTP server, scripts and clients obey theirs by themselves.
	Flags *flags.Set
	// Metrics registers a role's own metrics.
	Metrics *prometheus.Registry
	// Log writes JSON lines; add trace_id and span_id of trace.From(ctx) to those about a request.
	Log    *slog.Logger
	Tracer *trace.Tracer
	// Dependencies are the brokers, databases and caches of the configuration.
	Dependencies *dependency.Set
	// Readiness takes dependencies of a role's own: Require, Block.
	Readiness *readiness.Registry
	// HTTP takes the role's routes: Handle.
	HTTP *httpserver.Server
	// Scripts runs lists of steps.
	Scripts *script.Engine
	// Settings are the business settings of Config.SettingsFile.
	Settings *settings.Store
	// Audit counts audit records and compliance alerts by kind: audit_events_total{kind}.
	Audit *prometheus.CounterVec
	// Key is the root of the service's random choices.
	Key seeded.Key
}

// Role is a running part of a service.
type Role interface {
	// Run works until ctx is done, finishes what it has begun within 10 seconds, and returns nil; an earlier return or an
	// error ends the process.
	Run(ctx context.Context) error
}

// Func makes a Role of a function.
type Func func(ctx context.Context) error

// Run calls the function.
func (f Func) Run(ctx context.Context) error { return f(ctx) }

// Idle is the role that only answers requests.
var Idle Role = Func(func(ctx context.Context) error {
	<-ctx.Done()
	return nil
})

// Constructor sets a role up. Its context ends when the process is told to stop. An error about the configuration is a
// *config.Error.
type Constructor func(ctx context.Context, rt *Runtime) (Role, error)

var constructors = map[string]Constructor{}

// Register adds a role; it panics if the name is taken. It is called from init functions only.
func Register(name string, constructor Constructor) {
	if constructors[name] != nil {
		panic("role " + name + " is registered twice")
	}
	constructors[name] = constructor
}

// New sets up the role that the configuration names.
func New(ctx context.Context, rt *Runtime) (Role, error) {
	name := rt.Config.Role
	if name == "" {
		name = Default
	}
	constructor := constructors[name]
	if constructor == nil {
		names := slices.Sorted(maps.Keys(constructors))
		return nil, &config.Error{Field: "role", Reason: fmt.Sprintf("%q is none of %s", name, strings.Join(names, ", "))}
	}
	return constructor(ctx, rt)
}

// Option reads an option of the role; fallback if it is absent.
func (rt *Runtime) Option(name, fallback string) string {
	if value, present := rt.Config.Options[name]; present {
		return value
	}
	return fallback
}
