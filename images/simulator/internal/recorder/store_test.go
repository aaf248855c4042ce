package recorder

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

type text struct {
	Text string `json:"text"`
}

func openStore(t *testing.T, directory string, maxBytes int64) *Store {
	t.Helper()
	store, err := Open(directory, 6*time.Hour, maxBytes, prometheus.NewRegistry(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func texts(t *testing.T, store *Store, stream string, from, to time.Time) []string {
	t.Helper()
	found := []string{}
	if err := store.Read(stream, from, to, func(line []byte) error {
		var row text
		err := json.Unmarshal(line, &row)
		found = append(found, row.Text)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRecordsAreReadInTimeOrderWhateverTheOrderOfWriting(t *testing.T) {
	store := openStore(t, t.TempDir(), 1<<30)
	base := bucketOf(time.Now().Add(-time.Hour))
	at := func(minutes float64) time.Time { return base.Add(time.Duration(minutes * float64(time.Minute))) }
	for _, minutes := range []float64{3, 1, 6, 2} {
		store.Append(Logs, at(minutes), text{fmt.Sprint(minutes)})
	}
	check := func(from, to float64, wanted ...string) {
		t.Helper()
		if found := texts(t, store, Logs, at(from), at(to)); !slices.Equal(found, wanted) {
			t.Errorf("from %g to %g: got %v, want %v", from, to, found, wanted)
		}
	}
	check(0, 10, "1", "2", "3", "6")
	store.seal(time.Now())
	store.Append(Logs, at(2.5), text{"late"})
	check(0, 10, "1", "2", "late", "3", "6")
	check(2, 3, "2", "late") // from is included, to is not
	check(5, 6)
	store.seal(time.Now())
	check(0, 10, "1", "2", "late", "3", "6")
}

func TestFullSegmentsAreCompressedAndMerged(t *testing.T) {
	directory := t.TempDir()
	store := openStore(t, directory, 1<<30)
	base := bucketOf(time.Now().Add(-time.Hour))
	filler := make([]byte, 1000)
	for i := range filler {
		filler[i] = 'x'
	}
	const count = 10000
	for i := range count {
		store.Append(Logs, base.Add(time.Duration((i*7919)%count)*time.Millisecond), text{string(filler)})
	}
	store.seal(time.Now())
	found, err := segments(filepath.Join(directory, Logs))
	if err != nil || len(found) < 3 {
		t.Fatalf("%d segments, %v", len(found), err)
	}
	for _, each := range found {
		if !each.sealed || each.size > 1<<20 {
			t.Errorf("%s has %d bytes", each.path, each.size)
		}
	}
	last, rows := "", 0
	if err := store.Read(Logs, base, base.Add(time.Minute), func(line []byte) error {
		if now := string(timeOf(line)); now < last {
			t.Fatalf("%s after %s", now, last)
		} else {
			last = now
		}
		rows++
		return nil
	}); err != nil || rows != count {
		t.Errorf("%d rows, %v", rows, err)
	}
}

func TestWhatAKilledProcessLeftIsReadAndItsCutLineIsNot(t *testing.T) {
	directory := t.TempDir()
	at := bucketOf(time.Now().Add(-time.Hour))
	first := openStore(t, directory, 1<<30)
	first.Append(Logs, at, text{"whole"})
	first.Flush()
	found, err := segments(filepath.Join(directory, Logs))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	file, err := os.OpenFile(found[0].path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"time":"2026-01-01T`); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	second := openStore(t, directory, 1<<30)
	second.Append(Logs, at.Add(time.Second), text{"after"})
	for range 2 {
		if got := texts(t, second, Logs, at, at.Add(time.Minute)); !reflect.DeepEqual(got, []string{"whole", "after"}) {
			t.Errorf("got %v", got)
		}
		second.seal(time.Now())
	}
}

func TestPruningByAgeAndBySizeTakesTheOldestAndLeavesTheTruth(t *testing.T) {
	for name, test := range map[string]struct {
		retention time.Duration
		maxBytes  int64
		wanted    []string
	}{
		"all fits":    {24 * time.Hour, 1 << 30, []string{"3h", "2h", "1h"}},
		"by age":      {150 * time.Minute, 1 << 30, []string{"2h", "1h"}},
		"by size":     {24 * time.Hour, 200, []string{"1h"}},
		"both":        {90 * time.Minute, 200, []string{"1h"}},
		"far too big": {24 * time.Hour, 1, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			store := openStore(t, t.TempDir(), test.maxBytes)
			store.retention = 24 * time.Hour
			now := time.Now()
			for hours := 3; hours > 0; hours-- {
				store.Append(Logs, now.Add(-time.Duration(hours)*time.Hour), text{fmt.Sprintf("%dh", hours)})
			}
			store.Append(Truth, now.Add(-3*time.Hour), text{"truth"})
			store.seal(now)
			store.retention = test.retention
			store.prune(now)
			if found := texts(t, store, Logs, time.Time{}, now); !reflect.DeepEqual(found, test.wanted) {
				t.Errorf("kept %v, want %v", found, test.wanted)
			}
			if found := texts(t, store, Truth, time.Time{}, now); len(found) != 1 {
				t.Errorf("the truth has %v", found)
			}
		})
	}
}

func TestUnwritableDiskIsAProblemUntilItIsMended(t *testing.T) {
	directory := t.TempDir()
	store := openStore(t, directory, 1<<30)
	if err := os.Rename(filepath.Join(directory, Logs), filepath.Join(directory, "away")); err != nil {
		t.Fatal(err)
	}
	store.Append(Logs, time.Now(), text{"lost"})
	if store.Problem() == nil {
		t.Error("no problem is told")
	}
	if err := os.Rename(filepath.Join(directory, "away"), filepath.Join(directory, Logs)); err != nil {
		t.Fatal(err)
	}
	store.Append(Logs, time.Now(), text{"kept"})
	store.Flush()
	if err := store.Problem(); err != nil {
		t.Error(err)
	}
}
