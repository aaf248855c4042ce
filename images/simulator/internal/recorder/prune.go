package recorder

import (
	"os"
	"path/filepath"
	"slices"
	"time"
)

// prune deletes segments past the retention, and the oldest ones while all together are too big. The ground truth is
// small and without it nothing else can be judged: it stays.
func (s *Store) prune(now time.Time) {
	s.files.Lock()
	defer s.files.Unlock()
	var kept []segment
	total := int64(0)
	for _, stream := range Streams {
		found, err := segments(filepath.Join(s.directory, stream))
		if err != nil {
			s.fail("list", err)
			return
		}
		for _, each := range found {
			total += each.size
			if stream != Truth && each.sealed {
				kept = append(kept, each)
			}
		}
	}
	slices.SortStableFunc(kept, func(a, b segment) int { return a.bucket.Compare(b.bucket) })
	for _, each := range kept {
		if now.Sub(each.bucket.Add(bucketLength)) <= s.retention && total <= s.maxBytes {
			break
		}
		if err := os.Remove(each.path); err != nil {
			s.fail("delete", err)
			return
		}
		total -= each.size
		s.pruned.Inc()
	}
	s.bytes.Set(float64(total))
}
