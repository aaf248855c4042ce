package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"unsafe"
)

// A load must live in the cgroup of the container that it hurts, so it is started there, from our file system: by way
// of /proc/PID/root of a process of ours. The kernel lets a process look there that has the same user and group, and
// no fewer capabilities. Which user a process has that is started in the container is not known beforehand: mostly
// that of its first process, else root.

// stand gives up all capabilities, and has a process stand under the user of the first one, where that is another.
func (h *Holder) stand(perches bool) ([]Place, error) {
	own := Place{os.Getpid(), os.Getuid(), os.Getgid()}
	if !perches {
		return []Place{own}, nil
	}
	first, err := owner("/proc/1/status")
	if err != nil {
		return nil, err
	}
	places := []Place{own}
	if first.UID != own.UID || first.GID != own.GID {
		child := exec.Command("/proc/self/exe", "perch", "--name", h.name)
		child.SysProcAttr = &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: uint32(first.UID), Gid: uint32(first.GID), NoSetGroups: true},
		}
		if err := child.Start(); err != nil {
			return nil, fmt.Errorf("as user %d: %w", first.UID, err)
		}
		go func() { _ = child.Wait() }()
		places = []Place{{child.Process.Pid, first.UID, first.GID}, own}
	}
	return places, dropCapabilities()
}

// perch waits for the end of its holder.
func perch(given options) error {
	line, err := lifeline(given.name, 0)
	if err != nil {
		return err
	}
	_, _ = line.Read(make([]byte, 1))
	return nil
}

func owner(file string) (Place, error) {
	var found Place
	text, err := os.ReadFile(file)
	if err != nil {
		return found, err
	}
	for line := range strings.Lines(string(text)) {
		var real int
		if _, err := fmt.Sscanf(line, "Uid: %d %d", &real, &found.UID); err == nil {
			continue
		}
		_, _ = fmt.Sscanf(line, "Gid: %d %d", &real, &found.GID)
	}
	return found, nil
}

const capabilityVersion3 = 0x20080522

func dropCapabilities() error {
	header := struct {
		version uint32
		pid     int32
	}{capabilityVersion3, 0}
	var none [6]uint32
	_, _, number := syscall.AllThreadsSyscall(
		syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)), 0,
	)
	if number != 0 {
		return fmt.Errorf("giving up capabilities: %w", number)
	}
	return nil
}
