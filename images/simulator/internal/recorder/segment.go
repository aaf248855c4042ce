package recorder

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// bucketLength is the span of time whose records lie in the same segments.
	bucketLength = 5 * time.Minute
	bucketName   = "20060102T150405Z"
	openSuffix   = ".jsonl"
	sealedSuffix = ".jsonl.gz"
	// TimeLayout has a fixed width, so that lines sort as their times do.
	TimeLayout = "2006-01-02T15:04:05.000000000Z"
	lineStart  = `{"time":"`
	longestRow = 1 << 20
)

// segment is a file of records of one stream and one bucket.
type segment struct {
	path   string
	bucket time.Time
	part   int
	sealed bool
	size   int64
}

func bucketOf(at time.Time) time.Time { return at.UTC().Truncate(bucketLength) }

func segmentPath(directory string, bucket time.Time, part int, suffix string) string {
	return filepath.Join(directory, fmt.Sprintf("%s-%06d%s", bucket.Format(bucketName), part, suffix))
}

// segments are the files of a directory, by bucket and part. What is no segment is left alone.
func segments(directory string) ([]segment, error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return nil, err
	}
	var found []segment
	for _, entry := range entries {
		name, sealed := strings.CutSuffix(entry.Name(), sealedSuffix)
		if !sealed {
			var open bool
			if name, open = strings.CutSuffix(entry.Name(), openSuffix); !open {
				continue
			}
		}
		bucketText, partText, _ := strings.Cut(name, "-")
		bucket, err := time.Parse(bucketName, bucketText)
		if err != nil {
			continue
		}
		part, err := strconv.Atoi(partText)
		if err != nil {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			return nil, err
		}
		found = append(found, segment{filepath.Join(directory, entry.Name()), bucket, part, sealed, info.Size()})
	}
	slices.SortFunc(found, func(a, b segment) int {
		return cmpOr(a.bucket.Compare(b.bucket), a.part-b.part)
	})
	return found, nil
}

func cmpOr(first, second int) int {
	if first != 0 {
		return first
	}
	return second
}

// timeOf is the part of a line that it is sorted by.
func timeOf(line []byte) []byte { return line[len(lineStart) : len(lineStart)+len(TimeLayout)] }

func isRecord(line []byte) bool {
	return len(line) > len(lineStart)+len(TimeLayout) && bytes.HasPrefix(line, []byte(lineStart))
}

// sortedLines are the whole lines of an open segment by time; a last line without its end was being written.
func sortedLines(path string) ([][]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	end := bytes.LastIndexByte(text, '\n')
	var lines [][]byte
	for line := range bytes.Lines(text[:end+1]) {
		if line = bytes.TrimSuffix(line, []byte("\n")); isRecord(line) {
			lines = append(lines, line)
		}
	}
	slices.SortStableFunc(lines, func(a, b []byte) int { return bytes.Compare(timeOf(a), timeOf(b)) })
	return lines, nil
}

// compress writes the sorted lines of an open segment to a file beside it, and gives that file's path.
func compress(open segment) (path string, err error) {
	lines, err := sortedLines(open.path)
	if err != nil {
		return "", err
	}
	path = open.path + ".tmp"
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	packed, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
	if err != nil {
		return "", err
	}
	for _, line := range lines {
		if _, err := packed.Write(append(line, '\n')); err != nil {
			return "", err
		}
	}
	return path, packed.Close()
}

// source gives the lines of one segment in time order; nil at its end.
type source interface {
	next() ([]byte, error)
	io.Closer
}

type openSource struct{ lines [][]byte }

func (s *openSource) next() ([]byte, error) {
	if len(s.lines) == 0 {
		return nil, nil
	}
	line := s.lines[0]
	s.lines = s.lines[1:]
	return line, nil
}

func (s *openSource) Close() error { return nil }

type sealedSource struct {
	file    *os.File
	packed  *gzip.Reader
	scanner *bufio.Scanner
}

func (s *sealedSource) next() ([]byte, error) {
	if s.packed == nil {
		packed, err := gzip.NewReader(s.file)
		if err != nil {
			return nil, err
		}
		s.packed, s.scanner = packed, bufio.NewScanner(packed)
		s.scanner.Buffer(nil, longestRow)
	}
	if s.scanner.Scan() {
		return s.scanner.Bytes(), nil
	}
	return nil, s.scanner.Err()
}

func (s *sealedSource) Close() error { return s.file.Close() }

func (s segment) source() (source, error) {
	if !s.sealed {
		lines, err := sortedLines(s.path)
		return &openSource{lines}, err
	}
	file, err := os.Open(s.path)
	return &sealedSource{file: file}, err
}
