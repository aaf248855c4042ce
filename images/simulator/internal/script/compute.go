package script

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"firedrill.dev/simulator/internal/config"
	"firedrill.dev/simulator/internal/failure"
	"firedrill.dev/simulator/internal/seeded"
)

// roundsPerLook is how much is computed between two looks at the clock: some tens of microseconds.
const roundsPerLook = 100

// compute uses as much CPU time as drawn. It is CPU time and not time passed, so that a starved service gets slower.
func compute(ctx context.Context, distribution config.Distribution) error {
	amount := seeded.Draw(distribution, seeded.From(ctx).Rand()).Duration()
	if amount <= 0 {
		return nil
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin, err := threadTime()
	if err != nil {
		return err
	}
	sum := [sha256.Size]byte{}
	for {
		for range roundsPerLook {
			sum = sha256.Sum256(sum[:])
		}
		now, err := threadTime()
		switch {
		case err != nil:
			return err
		case now-begin >= amount:
			return nil
		case ctx.Err() != nil:
			return failure.Unavailable(ctx.Err())
		}
	}
}

func threadTime() (time.Duration, error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
		return 0, fmt.Errorf("the thread's CPU time: %w", err)
	}
	return time.Duration(now.Nano()), nil
}
