// Package settings follows a file of business settings, as a mounted ConfigMap is one.
package settings

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/flags"
)

const reread = 5 * time.Second

// Settings are one version of the file.
type Settings struct {
	Version int64
	// Values are all fields of the file.
	Values map[string]any
}

// Store holds the settings in force; settings_version shows their version, 0 before the first.
type Store struct {
	path    string
	flags   *flags.Set
	log     *slog.Logger
	current atomic.Pointer[Settings]
	version prometheus.Gauge
}

// NewStore makes a store for a file; an empty path means that there are no settings.
func NewStore(path string, set *flags.Set, registry prometheus.Registerer, log *slog.Logger) *Store {
	store := &Store{path: path, flags: set, log: log}
	store.current.Store(&Settings{})
	if path != "" {
		store.version = prometheus.NewGauge(prometheus.GaugeOpts{Name: "settings_version", Help: "Version of the business settings in force."})
		registry.MustRegister(store.version)
	}
	return store
}

// Current are the settings in force.
func (s *Store) Current() Settings { return *s.current.Load() }

// Run reads the file every five seconds until ctx is done. Settings that cannot be read leave the last good ones in force.
func (s *Store) Run(ctx context.Context) {
	if s.path == "" {
		return
	}
	ticker := time.NewTicker(reread)
	defer ticker.Stop()
	complaint := ""
	for {
		text := ""
		if err := s.Refresh(); err != nil {
			text = err.Error()
		}
		if text != "" && text != complaint {
			s.log.Error("the settings could not be read; the last good ones stay in force", "error", text)
		}
		complaint = text
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Refresh reads the file once, unless the flag staleConfig holds the settings that are in force.
func (s *Store) Refresh() error {
	if s.flags.On(flags.StaleConfig) {
		return nil
	}
	text, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}
	next, err := parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	if last := s.Current(); last.Version != next.Version {
		s.log.Info("settings changed", "from", last.Version, "to", next.Version)
	}
	s.current.Store(next)
	s.version.Set(float64(next.Version))
	return nil
}

func parse(text []byte) (*Settings, error) {
	var head struct {
		Version *int64 `json:"version"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, err
	}
	if head.Version == nil {
		return nil, fmt.Errorf("version is missing")
	}
	values := map[string]any{}
	if err := json.Unmarshal(text, &values); err != nil {
		return nil, err
	}
	return &Settings{*head.Version, values}, nil
}
