package recorder

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"time"
)

// longestLine bounds what is kept of one log line, in bytes.
const longestLine = 64 << 10

// logRecord is a line of a container's log.
type logRecord struct {
	Service   string `json:"service"`
	Pod       string `json:"pod"`
	Container string `json:"container"`
	UID       string `json:"uid"`
	Line      string `json:"line"`
	// Cut says that the line was longer than what is kept of it.
	Cut bool `json:"cut,omitempty"`
}

// truthLog is a log line that tells of flags.
type truthLog struct {
	Record string `json:"record"`
	logRecord
}

// position is how far a container's log has been read: the time of the last line and how many lines had that time.
type position struct {
	at    time.Time
	count int
}

// advance counts a line that was recorded.
func (p *position) advance(at time.Time) {
	switch {
	case at.After(p.at):
		p.at, p.count = at, 1
	case at.Equal(p.at):
		p.count++
	}
}

// resume skips what was recorded already when a log is read again from the second of the last line on.
type resume struct {
	from position
	seen int
}

func (r *resume) isNew(at time.Time) bool {
	switch {
	case at.Before(r.from.at):
		return false
	case at.Equal(r.from.at):
		r.seen++
		return r.seen > r.from.count
	}
	return true
}

// readLines gives the lines of a log that was asked for with timestamps; cut ones are told. A line without a time, such
// as the kubelet's own complaints, gets the time of the one before and is not stamped.
func readLines(body io.Reader, last time.Time, emit func(at time.Time, stamped bool, line []byte, cut bool)) error {
	reader := bufio.NewReader(body)
	var line []byte
	for {
		piece, err := reader.ReadSlice('\n')
		room := max(0, longestLine-len(line))
		cut := len(piece) > room
		line = append(line, piece[:min(len(piece), room)]...)
		for errors.Is(err, bufio.ErrBufferFull) {
			piece, err = reader.ReadSlice('\n')
			room = max(0, longestLine-len(line))
			cut = cut || len(piece) > room
			line = append(line, piece[:min(len(piece), room)]...)
		}
		// The last line without its end will be read again, whole.
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		text := strings.TrimRight(string(line), "\r\n")
		stamp, rest, _ := strings.Cut(text, " ")
		at, parsing := time.Parse(time.RFC3339Nano, stamp)
		if parsing != nil {
			at, rest = last, text
		}
		if !at.IsZero() {
			last = at
			emit(at, parsing == nil, []byte(rest), cut)
		}
		line = line[:0]
	}
}
