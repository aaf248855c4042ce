// Command simulator is every part of a simulated industry: its services, the load on them, the server of their flags, the recorder
// of their telemetry and the multiplexer that serves for pods that are faked.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/flagserver"
	"firedrill.dev/simulator/internal/load"
	"firedrill.dev/simulator/internal/multiplex"
	"firedrill.dev/simulator/internal/recorder"
	"firedrill.dev/simulator/internal/service"
)

const usage = "usage: simulator service|load|flags|recorder|multiplex, configured by the JSON in " + config.Variable

// garbagePercent lets the heap grow by a quarter between collections. Hundreds of these processes share a machine and each
// allocates little: their memory matters more than the time of collecting it.
const garbagePercent = 25

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	os.Exit(run(os.Args[1:]))
}

func run(arguments []string) int {
	if len(arguments) != 1 {
		fmt.Fprintln(os.Stderr, usage)
		return config.ExitCode
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	var err error
	switch arguments[0] {
	case "service":
		err = start(ctx, service.Run)
	case "load":
		err = start(ctx, load.Run)
	case "flags":
		err = start(ctx, flagserver.Run)
	case "recorder":
		err = start(ctx, recorder.Run)
	case "multiplex":
		err = start(ctx, multiplex.Run)
	default:
		fmt.Fprintln(os.Stderr, usage)
		return config.ExitCode
	}
	var wrong *config.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(os.Stderr, "%s: %s\n", config.Variable, wrong)
		return config.ExitCode
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func start[T any, P interface {
	*T
	config.Checked
}](ctx context.Context, act func(context.Context, *T) error) error {
	configuration, err := config.FromEnvironment[T, P]()
	if err != nil {
		return err
	}
	return act(ctx, configuration)
}
