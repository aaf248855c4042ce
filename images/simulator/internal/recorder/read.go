package recorder

import (
	"bytes"
	"errors"
	"path/filepath"
	"time"
)

// Read gives the records of a stream from one time, included, to another, excluded, in time order. A line is valid
// until emit returns; an error of emit ends reading.
func (s *Store) Read(stream string, from, to time.Time, emit func(line []byte) error) error {
	s.Flush()
	low, high := from.UTC().AppendFormat(nil, TimeLayout), to.UTC().AppendFormat(nil, TimeLayout)
	for at := bucketOf(from); ; {
		sources, bucket, err := s.bucketFrom(stream, at, to)
		if err != nil || sources == nil {
			return err
		}
		err = merge(sources, func(line []byte) error {
			if moment := timeOf(line); bytes.Compare(moment, low) < 0 || bytes.Compare(moment, high) >= 0 {
				return nil
			}
			return emit(line)
		})
		if err != nil {
			return err
		}
		at = bucket.Add(bucketLength)
	}
}

// bucketFrom opens all segments of the first bucket that is not before a time and begins before another.
func (s *Store) bucketFrom(stream string, at, to time.Time) ([]source, time.Time, error) {
	s.files.RLock()
	defer s.files.RUnlock()
	found, err := segments(filepath.Join(s.directory, stream))
	if err != nil {
		return nil, at, err
	}
	var opened []source
	var bucket time.Time
	for _, each := range found {
		if each.bucket.Before(at) || !each.bucket.Before(to) {
			continue
		}
		if opened != nil && !each.bucket.Equal(bucket) {
			break
		}
		bucket = each.bucket
		one, err := each.source()
		if err != nil {
			return nil, at, errors.Join(err, closeAll(opened))
		}
		opened = append(opened, one)
	}
	return opened, bucket, nil
}

// merge gives the lines of several sources in time order and closes them.
func merge(sources []source, emit func([]byte) error) (err error) {
	defer func() { err = errors.Join(err, closeAll(sources)) }()
	heads := make([][]byte, len(sources))
	for i, each := range sources {
		if heads[i], err = each.next(); err != nil {
			return err
		}
	}
	for {
		first := -1
		for i, head := range heads {
			if head != nil && (first < 0 || bytes.Compare(timeOf(head), timeOf(heads[first])) < 0) {
				first = i
			}
		}
		if first < 0 {
			return nil
		}
		if err := emit(heads[first]); err != nil {
			return err
		}
		if heads[first], err = sources[first].next(); err != nil {
			return err
		}
	}
}

func closeAll(sources []source) error {
	var all error
	for _, each := range sources {
		all = errors.Join(all, each.Close())
	}
	return all
}
