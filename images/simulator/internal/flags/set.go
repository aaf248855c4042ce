package flags

import (
	"context"
	"maps"
	"sync"
)

// Set holds the flags that a service obeys now. It is safe for concurrent use.
type Set struct {
	mutex   sync.RWMutex
	values  map[string]float64
	changed chan struct{}
}

// NewSet is a set without flags. A service tells nobody which are set, neither by metrics nor by logs nor in its answers:
// whoever diagnoses it must find out by what they do.
func NewSet() *Set {
	return &Set{values: map[string]float64{}, changed: make(chan struct{})}
}

// Value is a flag's value; 0 if it is not set.
func (s *Set) Value(name string) float64 {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	return s.values[name]
}

// On tells whether a flag is above 0.
func (s *Set) On(name string) bool { return s.Value(name) > 0 }

// Watch is a flag's value and a channel that is closed when any flag changes.
func (s *Set) Watch(name string) (float64, <-chan struct{}) {
	s.mutex.RLock()
	defer s.mutex.RUnlock()
	return s.values[name], s.changed
}

// While runs act, again and again, with the flag's value whenever it is above 0, until ctx is done. The context given
// to act ends when any flag changes.
func (s *Set) While(ctx context.Context, name string, act func(ctx context.Context, value float64)) {
	for ctx.Err() == nil {
		value, changed := s.Watch(name)
		if value > 0 {
			limited, cancel := context.WithCancel(ctx)
			go func() {
				select {
				case <-changed:
				case <-limited.Done():
				}
				cancel()
			}()
			act(limited, value)
			cancel()
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// Replace sets all flags at once; those not named are off. It tells whether anything changed.
func (s *Set) Replace(list []Flag) bool {
	next := make(map[string]float64, len(list))
	for _, flag := range list {
		next[flag.Name] = flag.Value
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if maps.Equal(s.values, next) {
		return false
	}
	s.values = next
	close(s.changed)
	s.changed = make(chan struct{})
	return true
}
