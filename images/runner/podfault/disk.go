package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// sparedPercent of a file system that others use too is left free: below that the kubelet evicts.
const sparedPercent = 20

// fillDisk writes a file that has no name any more: the kernel frees it when the process ends, however that is.
func fillDisk(settings Settings) (map[string]any, error) {
	space, err := spaceOf(settings.Path)
	if err != nil {
		return nil, err
	}
	wanted := settings.Bytes
	if settings.LimitPercent > 0 {
		if !space.own {
			return nil, fmt.Errorf("%s is no volume of its own: a share of it would be one of the node's disk", settings.Path)
		}
		wanted = space.free / 100 * int64(settings.LimitPercent)
	}
	if !space.own && space.free-wanted < space.size/100*sparedPercent {
		return nil, fmt.Errorf("%d bytes would leave less than %d %% of the node's disk free", wanted, sparedPercent)
	}
	file, err := os.CreateTemp(settings.Path, "firedrill-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, err
	}
	// Of a share, others may have taken the rest meanwhile: then it is full, as it was meant to be.
	if err := write(file, wanted); err != nil && !(settings.LimitPercent > 0 && errors.Is(err, syscall.ENOSPC)) {
		return nil, err
	}
	return map[string]any{"bytes": wanted, "free": space.free - wanted}, nil
}

type space struct {
	size, free int64
	own        bool
}

// spaceOf tells of the file system of a folder, and whether the container shares it with its root.
func spaceOf(path string) (space, error) {
	var figures syscall.Statfs_t
	if err := syscall.Statfs(path, &figures); err != nil {
		return space{}, fmt.Errorf("%s: %w", path, err)
	}
	var here syscall.Stat_t
	if err := syscall.Stat(path, &here); err != nil {
		return space{}, err
	}
	own := true
	// What the kubelet mounts from its own folder lies on the node's disk, as the root does.
	for _, shared := range []string{"/", "/etc/hosts", "/etc/hostname"} {
		var other syscall.Stat_t
		if syscall.Stat(shared, &other) == nil && other.Dev == here.Dev {
			own = false
		}
	}
	block := int64(figures.Bsize)
	return space{int64(figures.Blocks) * block, int64(figures.Bavail) * block, own}, nil
}
