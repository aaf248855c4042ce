package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// stress is a load on the container that it is started in. It ends with its holder, and by itself at its time.
func stress(given options) error {
	if err := given.late(); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGPIPE, syscall.SIGHUP)
	line, err := lifeline(given.name, given.seconds)
	if err != nil {
		return err
	}
	// The kernel keeps this name as long as the process lives: by it, others see that it does.
	own, err := net.Listen("unix", "@"+given.name+"/load")
	if errors.Is(err, syscall.EADDRINUSE) {
		return tell(map[string]any{"started": true, "wasThere": true, "at": now()})
	}
	if err != nil {
		return err
	}
	defer own.Close()
	begun := time.Now()
	limit := time.AfterFunc(span(given.seconds), func() { os.Exit(done) })
	defer limit.Stop()
	go func() {
		_, _ = line.Read(make([]byte, 1))
		os.Exit(done)
	}()
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	go func() { <-asked; os.Exit(done) }()
	proof, err := load(given.settings, span(given.seconds))
	if err != nil {
		return err
	}
	proof["started"], proof["at"], proof["pid"] = true, float64(begun.UnixMilli())/1000, os.Getpid()
	if err := tell(proof); err != nil {
		return err
	}
	if given.settings.Mode == "oom" {
		if err := overflow(given.settings); err != nil {
			return err
		}
	}
	select {}
}

func load(settings Settings, seconds time.Duration) (map[string]any, error) {
	switch settings.Mode {
	case "cpu":
		return spin(settings.Workers, seconds)
	case "memory":
		return fillMemory(settings)
	case "oom":
		return planned(settings)
	case "disk":
		return fillDisk(settings)
	}
	return nil, fmt.Errorf("no mode %q", settings.Mode)
}

// spin keeps so many processors busy. The kernel ends it if nothing else does.
func spin(workers int, seconds time.Duration) (map[string]any, error) {
	most := uint64(workers)*uint64(seconds.Seconds()) + 5
	if err := syscall.Setrlimit(syscall.RLIMIT_CPU, &syscall.Rlimit{Cur: most, Max: most}); err != nil {
		return nil, err
	}
	runtime.GOMAXPROCS(workers + 1)
	for range workers {
		go func() {
			for {
			}
		}()
	}
	return map[string]any{"workers": workers}, nil
}

func tell(proof map[string]any) error {
	text, err := json.Marshal(proof)
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(text))
	return err
}

func now() float64 {
	return float64(time.Now().UnixMilli()) / 1000
}
