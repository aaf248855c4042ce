package flagserver

import (
	"context"
	"log/slog"
	"os"
	"time"
)

const reread = time.Second

// followFile offers a file's content, again when it changes, until ctx is done.
func followFile(path string, log *slog.Logger) func(ctx context.Context, offer func(string)) {
	return func(ctx context.Context, offer func(string)) {
		ticker := time.NewTicker(reread)
		defer ticker.Stop()
		complaint := ""
		for {
			text, err := os.ReadFile(path)
			switch {
			case err == nil:
				complaint = ""
				offer(string(text))
			case err.Error() != complaint:
				complaint = err.Error()
				log.Error("the flags could not be read", "error", complaint)
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	}
}
