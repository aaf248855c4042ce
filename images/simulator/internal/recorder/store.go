package recorder

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"firedrill.dev/simulator/internal/metrics"
)

// Streams of records.
const (
	Logs    = "logs"
	Events  = "events"
	Changes = "changes"
	Pods    = "pods"
	Truth   = "truth"
)

// Streams are all of them.
var Streams = []string{Logs, Events, Changes, Pods, Truth}

const (
	flushEvery = time.Second
	// partBytes bounds a segment before compression, and so the memory that sorting one takes.
	partBytes = 4 << 20
	// sealAfter is how long after its bucket's end a segment stays open for late records.
	sealAfter  = time.Minute
	pruneEvery = 30 * time.Second
)

// Store keeps records on disk: append-only segments of JSON lines, compressed when they are full or past.
type Store struct {
	directory string
	retention time.Duration
	maxBytes  int64
	log       *slog.Logger
	records   *prometheus.CounterVec
	failed    *prometheus.CounterVec
	pruned    prometheus.Counter
	bytes     prometheus.Gauge

	// files is held while names of segments change, and while they are listed and opened.
	files sync.RWMutex
	mutex sync.Mutex
	open  map[place]*part
	parts int
	err   error
}

type place struct {
	stream string
	bucket time.Time
}

type part struct {
	file   *os.File
	buffer *bufio.Writer
	size   int
}

// Open opens the store in a directory, with what an earlier process left there.
func Open(directory string, retention time.Duration, maxBytes int64, registry prometheus.Registerer, log *slog.Logger) (*Store, error) {
	s := &Store{
		directory: directory, retention: retention, maxBytes: maxBytes, log: log, open: map[place]*part{},
		records: metrics.Counter(registry, "recorder_records_total", "Records written.", "stream"),
		failed:  metrics.Counter(registry, "recorder_failures_total", "What could not be done on disk.", "action"),
		pruned:  prometheus.NewCounter(prometheus.CounterOpts{Name: "recorder_pruned_segments_total", Help: "Segments deleted for age or size."}),
		bytes:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "recorder_stored_bytes", Help: "Bytes of all segments."}),
	}
	registry.MustRegister(s.pruned, s.bytes)
	for _, stream := range Streams {
		s.records.WithLabelValues(stream)
		if err := os.MkdirAll(filepath.Join(directory, stream), 0o750); err != nil {
			return nil, err
		}
		found, err := segments(filepath.Join(directory, stream))
		if err != nil {
			return nil, err
		}
		for _, each := range found {
			s.parts = max(s.parts, each.part)
		}
	}
	return s, nil
}

// Append writes a record; value is marshalled to a JSON object without a member time. What is older than the retention
// is not kept. A failure to write shows in Problem.
func (s *Store) Append(stream string, at time.Time, value any) {
	if stream != Truth && time.Since(at) > s.retention {
		return
	}
	body, err := json.Marshal(value)
	if err != nil {
		s.fail("encode", err)
		return
	}
	line := make([]byte, 0, len(lineStart)+len(TimeLayout)+len(body)+3)
	line = append(line, lineStart...)
	line = at.UTC().AppendFormat(line, TimeLayout)
	line = append(line, '"', ',')
	line = append(append(line, body[1:]...), '\n')
	s.mutex.Lock()
	defer s.mutex.Unlock()
	where := place{stream, bucketOf(at)}
	held := s.open[where]
	if held == nil {
		if held, err = s.begin(where); err != nil {
			s.failLocked("open", err)
			return
		}
	}
	if _, err := held.buffer.Write(line); err != nil {
		s.failLocked("write", err)
		return
	}
	s.records.WithLabelValues(stream).Inc()
	if held.size += len(line); held.size >= partBytes {
		s.end(where)
	}
}

func (s *Store) begin(where place) (*part, error) {
	s.parts++
	path := segmentPath(filepath.Join(s.directory, where.stream), where.bucket, s.parts, openSuffix)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return nil, err
	}
	s.open[where] = &part{file: file, buffer: bufio.NewWriterSize(file, 16<<10)}
	return s.open[where], nil
}

func (s *Store) end(where place) {
	held := s.open[where]
	delete(s.open, where)
	if err := errors.Join(held.buffer.Flush(), held.file.Close()); err != nil {
		s.failLocked("close", err)
	}
}

// Flush makes everything appended so far visible to readers.
func (s *Store) Flush() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, held := range s.open {
		if err := held.buffer.Flush(); err != nil {
			s.failLocked("write", err)
			return
		}
	}
	s.err = nil
}

// Problem is what was wrong with the disk lately; nil when all is well.
func (s *Store) Problem() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.err
}

func (s *Store) fail(action string, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.failLocked(action, err)
}

func (s *Store) failLocked(action string, err error) {
	s.failed.WithLabelValues(action).Inc()
	if s.err == nil {
		s.log.Error("records are being lost", "action", action, "error", err.Error())
	}
	s.err = err
}

// Run flushes, compresses and prunes until ctx is done; then it closes all segments.
func (s *Store) Run(ctx context.Context) {
	flush, prune := time.NewTicker(flushEvery), time.NewTicker(pruneEvery)
	defer flush.Stop()
	defer prune.Stop()
	for {
		select {
		case <-flush.C:
			s.Flush()
			s.seal(time.Now())
		case <-prune.C:
			s.prune(time.Now())
		case <-ctx.Done():
			s.mutex.Lock()
			defer s.mutex.Unlock()
			for where := range s.open {
				s.end(where)
			}
			return
		}
	}
}

// seal compresses the segments that nothing is written to any more.
func (s *Store) seal(now time.Time) {
	written := map[string]bool{}
	s.mutex.Lock()
	for where, held := range s.open {
		if now.Sub(where.bucket.Add(bucketLength)) > sealAfter {
			s.end(where)
			continue
		}
		written[held.file.Name()] = true
	}
	last := s.parts
	s.mutex.Unlock()
	for _, stream := range Streams {
		found, err := segments(filepath.Join(s.directory, stream))
		if err != nil {
			s.fail("list", err)
			continue
		}
		for _, each := range found {
			// A part begun since is being written to.
			if each.sealed || written[each.path] || each.part > last {
				continue
			}
			if err := s.sealOne(each); err != nil {
				s.fail("compress", err)
			}
		}
	}
}

func (s *Store) sealOne(each segment) error {
	packed, err := compress(each)
	if err != nil {
		return errors.Join(err, os.Remove(each.path+".tmp"))
	}
	s.files.Lock()
	defer s.files.Unlock()
	if err := os.Rename(packed, strings.TrimSuffix(each.path, openSuffix)+sealedSuffix); err != nil {
		return err
	}
	return os.Remove(each.path)
}
