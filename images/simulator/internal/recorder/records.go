package recorder

import (
	"bufio"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// readersAtOnce bounds the memory that reading takes.
const readersAtOnce = 2

// records answers GET /records?stream=S&from=T&to=T with JSON lines in time order; from is included, to is not.
type records struct {
	store *Store
	log   *slog.Logger
	slots chan struct{}
}

func newRecords(store *Store, log *slog.Logger) *records {
	return &records{store, log, make(chan struct{}, readersAtOnce)}
}

func (h *records) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	stream := r.FormValue("stream")
	if !slices.Contains(Streams, stream) {
		http.Error(w, "stream: must be one of "+strings.Join(Streams, ", "), http.StatusBadRequest)
		return
	}
	from, err := moment(r, "from", time.Time{})
	if err == nil {
		var to time.Time
		if to, err = moment(r, "to", time.Now().Add(time.Hour)); err == nil {
			h.write(w, r, stream, from, to)
			return
		}
	}
	http.Error(w, err.Error(), http.StatusBadRequest)
}

func (h *records) write(w http.ResponseWriter, r *http.Request, stream string, from, to time.Time) {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-r.Context().Done():
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := bufio.NewWriter(w)
	err := h.store.Read(stream, from, to, func(line []byte) error {
		if _, err := out.Write(line); err != nil {
			return err
		}
		return out.WriteByte('\n')
	})
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		return
	}
	if r.Context().Err() == nil {
		h.log.Error("records could not be read to their end", "stream", stream, "error", err.Error())
	}
	// A body that just ends would pass for a whole one.
	panic(http.ErrAbortHandler)
}

func moment(r *http.Request, name string, otherwise time.Time) (time.Time, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return at, fmt.Errorf("%s: %q is not a time such as 2026-01-01T00:00:00Z", name, text)
	}
	return at, nil
}
