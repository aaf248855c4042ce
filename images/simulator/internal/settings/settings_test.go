package settings

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"firedrill.dev/simulator/internal/flags"
)

func TestRefresh(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.json")
	registry := prometheus.NewRegistry()
	set := flags.NewSet()
	store := NewStore(path, set, registry, slog.New(slog.NewTextHandler(io.Discard, nil)))
	for _, step := range []struct {
		content string
		stale   float64
		wrong   bool
		version int64
	}{
		{`{"version":3,"limit":10}`, 0, false, 3},
		{`{"version":4}`, 0, false, 4},
		{`{"version":5}`, 1, false, 4},
		{`{"version":5}`, 0, false, 5},
		{`{"version":`, 0, true, 5},
		{`{"limit":1}`, 0, true, 5},
		{`{"version":"6"}`, 0, true, 5},
	} {
		if err := os.WriteFile(path, []byte(step.content), 0o600); err != nil {
			t.Fatal(err)
		}
		set.Replace([]flags.Flag{{Name: flags.StaleConfig, Value: step.stale}})
		err := store.Refresh()
		if (err != nil) != step.wrong || store.Current().Version != step.version || testutil.ToFloat64(store.version) != float64(step.version) {
			t.Errorf("%s with staleConfig %g: %v, version %d", step.content, step.stale, err, store.Current().Version)
		}
	}
}
