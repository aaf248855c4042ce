package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// Memory is written into a file that lies in memory alone. The container's cgroup pays for it, but it is not part of
// what the kernel counts to our process: where memory runs out, it ends the largest process, which is the application.

const (
	chunk         = 1 << 20
	headroom      = 64 << 20
	unlimitedFrom = int64(1) << 60
)

// fillMemory adds so many bytes, or as many as bring the container to a share of its limit.
func fillMemory(settings Settings) (map[string]any, error) {
	wanted, limit, err := wantedMemory(settings)
	if err != nil {
		return nil, err
	}
	file, err := inMemory()
	if err != nil {
		return nil, err
	}
	if err := write(file, wanted); err != nil {
		return nil, err
	}
	return map[string]any{"bytes": wanted, "limit": limit}, nil
}

// planned is what overflow will write, told before, because nobody can tell it afterwards.
func planned(settings Settings) (map[string]any, error) {
	most, limit, err := mostToOverflow(settings)
	return map[string]any{"bytes": most, "limit": limit}, err
}

// overflow writes more than the limit allows; the kernel ends a process of the container on the way.
func overflow(settings Settings) error {
	most, _, err := mostToOverflow(settings)
	if err != nil {
		return err
	}
	file, err := inMemory()
	if err != nil {
		return err
	}
	return write(file, most)
}

func mostToOverflow(settings Settings) (int64, int64, error) {
	_, limit, err := memoryOfContainer()
	if err != nil || limit <= 0 {
		limit = settings.Bytes
	}
	if limit <= 0 {
		return 0, 0, fmt.Errorf("the container has no memory limit that can be read: %w", err)
	}
	return limit + headroom, limit, nil
}

func wantedMemory(settings Settings) (int64, int64, error) {
	used, limit, err := memoryOfContainer()
	if settings.LimitPercent == 0 {
		if err == nil && limit > 0 && used+settings.Bytes > limit {
			return 0, limit, fmt.Errorf("%d bytes more than %d are over the limit of %d", settings.Bytes, used, limit)
		}
		return settings.Bytes, limit, nil
	}
	if err != nil {
		return 0, 0, err
	}
	if limit <= 0 {
		return 0, 0, fmt.Errorf("the container has no memory limit")
	}
	return max(limit/100*int64(settings.LimitPercent)-used, 0), limit, nil
}

// memoryOfContainer is what the own cgroup uses and may use; a limit of 0 is none.
func memoryOfContainer() (int64, int64, error) {
	for _, files := range [][2]string{
		{"/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.max"},
		{"/sys/fs/cgroup/memory/memory.usage_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"},
	} {
		used, err := number(files[0])
		if err != nil {
			continue
		}
		limit, err := number(files[1])
		if err != nil {
			return 0, 0, err
		}
		if limit >= unlimitedFrom {
			limit = 0
		}
		return used, limit, nil
	}
	return 0, 0, fmt.Errorf("the cgroup can not be read in %s", filepath.Dir("/sys/fs/cgroup/memory"))
}

func number(file string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	word := strings.TrimSpace(string(text))
	if word == "max" {
		return unlimitedFrom, nil
	}
	value, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		return unlimitedFrom, nil
	}
	return value, nil
}

func inMemory() (*os.File, error) {
	name := []byte("firedrill\x00")
	descriptor, _, problem := syscall.Syscall(memfdNumber, uintptr(unsafe.Pointer(&name[0])), 0, 0)
	if problem != 0 {
		return nil, fmt.Errorf("memfd_create: %w", problem)
	}
	return os.NewFile(descriptor, "memory"), nil
}

func write(file *os.File, bytes int64) error {
	zeros := make([]byte, chunk)
	for left := bytes; left > 0; left -= chunk {
		if _, err := file.Write(zeros[:min(left, chunk)]); err != nil {
			return err
		}
	}
	return nil
}
