// Podfault is what stays in a pod while a fault is on that needs a living process: a proxy, a load, or the ground
// from which a load is started in another container. It ends by itself, at the latest at a time that it is told.
//
// Exit codes: 0 done, 1 failed, 3 refused because it is too late, 4 refused because the holder is gone.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

const (
	done    = 0
	failed  = 1
	tooLate = 3
	noHold  = 4
)

// errTooLate is a start after the time that it was allowed until.
var errTooLate = errors.New("started too late")

// errNoHolder is a load without the process that it lives and dies with.
var errNoHolder = errors.New("the holder is gone")

type options struct {
	name     string
	notAfter float64
	seconds  float64
	settings Settings
	log      string
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: podfault hold|perch|stress|ask|undo")
		os.Exit(failed)
	}
	given, err := parse(os.Args[1], os.Args[2:])
	var proof map[string]any
	if err == nil {
		switch os.Args[1] {
		case "hold":
			proof, err = hold(given)
		case "perch":
			err = perch(given)
		case "stress":
			err = stress(given)
		case "ask":
			proof, err = ask(given)
		case "undo":
			proof, err = undo(given)
		default:
			err = fmt.Errorf("no action %q", os.Args[1])
		}
	}
	os.Exit(leave(given.log, proof, err))
}

func parse(action string, arguments []string) (options, error) {
	var given options
	flags := flag.NewFlagSet("podfault "+action, flag.ContinueOnError)
	flags.StringVar(&given.name, "name", "", "name of the holder in the pod's network")
	flags.Float64Var(&given.notAfter, "not-after", 0, "Unix time; later nothing is begun")
	flags.Float64Var(&given.seconds, "seconds", 0, "how long it lasts")
	flags.StringVar(&given.log, "termination-log", "", "where the proof is left, beside standard output")
	text := flags.String("settings", "{}", "the fault, as JSON")
	if err := flags.Parse(arguments); err != nil {
		return given, err
	}
	if err := json.Unmarshal([]byte(*text), &given.settings); err != nil {
		return given, fmt.Errorf("settings: %w", err)
	}
	return given, checkName(given.name)
}

func (given options) late() error {
	if over := time.Since(unix(given.notAfter)); over > 0 {
		return fmt.Errorf("%w: by %.1f s", errTooLate, over.Seconds())
	}
	return nil
}

func unix(seconds float64) time.Time {
	return time.UnixMicro(int64(seconds * 1e6))
}

func span(seconds float64) time.Duration {
	return time.Duration(seconds * float64(time.Second))
}

// leave writes the proof where it is read, and gives the exit code.
func leave(log string, proof map[string]any, err error) int {
	if err != nil {
		if proof == nil {
			proof = map[string]any{}
		}
		proof["error"] = err.Error()
	}
	if proof != nil {
		text, _ := json.Marshal(proof)
		fmt.Println(string(text))
		if log != "" {
			if problem := os.WriteFile(log, text, 0o644); problem != nil {
				fmt.Fprintln(os.Stderr, problem)
			}
		}
	}
	switch {
	case err == nil:
		return done
	case errors.Is(err, errTooLate):
		return tooLate
	case errors.Is(err, errNoHolder):
		return noHold
	}
	return failed
}
