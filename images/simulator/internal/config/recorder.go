package config

import "os"

// Recorder configures the recorder of telemetry.
type Recorder struct {
	Name       string `json:"name"`
	Simulation string `json:"simulation"`
	Version    string `json:"version"`
	// Namespace is the one recorded; empty means the pod's own.
	Namespace string `json:"namespace"`
	// Retention is how long records are kept; absent means 6 hours.
	Retention *Seconds `json:"retention"`
	// Dir is where records are kept; empty means /data.
	Dir string `json:"dir"`
	// MaxBytes bounds all files together; the oldest go first. Absent means 1 GiB.
	MaxBytes *int64 `json:"maxBytes"`
	// Address is what the HTTP server listens on; empty means :8080.
	Address string `json:"address"`
}

const (
	defaultRetention   = Seconds(6 * 3600)
	defaultRecordBytes = int64(1 << 30)
	leastRecordBytes   = int64(16 << 20)
)

// Check fills in what is absent and tells what is wrong with the configuration.
func (r *Recorder) Check() error {
	if r.Name == "" {
		r.Name = "recorder"
	}
	if r.Dir == "" {
		r.Dir = "/data"
	}
	retention, most := defaultRetention, defaultRecordBytes
	if r.Retention == nil {
		r.Retention = &retention
	}
	if r.MaxBytes == nil {
		r.MaxBytes = &most
	}
	if found, err := os.Stat(r.Dir); err != nil || !found.IsDir() {
		return &Error{"dir", "is not a directory"}
	}
	return first(
		between("retention", float64(*r.Retention), 60, 366*24*3600),
		between("maxBytes", float64(*r.MaxBytes), float64(leastRecordBytes), 1<<50),
	)
}
