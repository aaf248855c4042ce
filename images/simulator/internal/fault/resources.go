package fault

import (
	"context"
	"os"
	"runtime/debug"
	"time"
)

const (
	mebibyte = 1 << 20
	page     = 4096
	// heapObjects is how many small objects make the heap big that a stopped world has to walk.
	heapObjects = 300_000
	// walks is how often a collection walks it: together some 0.3 seconds, as over a heap of gigabytes.
	walks = 8
)

// burn keeps the given number of cores, at most one, busy.
func burn(ctx context.Context, cores float64) {
	const period = tick
	busy := time.Duration(min(cores, 1) * float64(period))
	for ctx.Err() == nil {
		begin := time.Now()
		for time.Since(begin) < busy {
		}
		select {
		case <-ctx.Done():
		case <-time.After(period - time.Since(begin)):
		}
	}
}

// leak keeps the given number of MiB more each second; it lets go when the flag changes.
func leak(ctx context.Context, mebibytes float64) {
	var kept [][]byte
	repeat(ctx, mebibytes, func(int) {
		block := make([]byte, mebibyte)
		for i := 0; i < len(block); i += page {
			block[i] = 1 // memory counts as used only once it is written
		}
		kept = append(kept, block)
	})
	clear(kept)
	debug.FreeOSMemory()
}

// fill writes the given number of MiB more each second to the scratch space; it takes them away when the flag changes. A
// node evicts a pod that outgrows its share of the disk.
func (f *Faults) fill(ctx context.Context, mebibytes float64) {
	file, err := os.CreateTemp("", "scratch-*")
	if err != nil {
		f.log.Error("no scratch space", "error", err.Error())
		<-ctx.Done()
		return
	}
	defer os.Remove(file.Name())
	defer file.Close()
	block, full := make([]byte, mebibyte), false
	repeat(ctx, mebibytes, func(int) {
		if full {
			return
		}
		if _, err := file.Write(block); err != nil {
			f.log.Error("the scratch space is full", "error", err.Error())
			full = true
		}
	})
}

type link struct {
	next *link
	_    [2]uint64
}

// stopTheWorld collects garbage over a big heap every given number of seconds, with all requests stopped.
func (f *Faults) stopTheWorld(ctx context.Context, seconds float64) {
	sink, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		f.log.Error("the collector can not be run", "error", err.Error())
		<-ctx.Done()
		return
	}
	defer sink.Close()
	heap := make([]*link, heapObjects)
	for i := range heap {
		heap[i] = &link{}
		if i > 0 {
			heap[i].next = heap[i-1]
		}
	}
	ticker := time.NewTicker(time.Duration(max(seconds, 0.05) * float64(time.Second)))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			clear(heap)
			debug.FreeOSMemory()
			return
		case <-ticker.C:
			// Go's collector works beside the program; a heap dump collects and then walks the whole heap with the world stopped.
			for range walks {
				debug.WriteHeapDump(sink.Fd())
			}
		}
	}
}
