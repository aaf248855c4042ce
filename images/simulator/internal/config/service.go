package config

// Service configures one simulated service.
type Service struct {
	Name       string              `json:"name"`
	Simulation string              `json:"simulation"`
	Seed       uint64              `json:"seed"`
	Version    string              `json:"version"`
	Role       string              `json:"role"`
	Options    map[string]string   `json:"options"`
	Endpoints  []Endpoint          `json:"endpoints"`
	Consumes   []Consume           `json:"consumes"`
	Brokers    map[string]Broker   `json:"brokers"`
	Databases  map[string]Database `json:"databases"`
	Caches     map[string]Cache    `json:"caches"`
	// Calls are base URLs, by service, of what the role calls beside scripts.
	Calls map[string]string `json:"calls"`
	// FlagsURL is the base URL of the flags server; empty means that no flag is ever set.
	FlagsURL string `json:"flagsUrl"`
	// SettingsFile is a JSON file with a whole number "version"; empty means none.
	SettingsFile string `json:"settingsFile"`
	// LogSample is the share (0 to 1) of successful requests that are logged.
	LogSample float64 `json:"logSample"`
	// OTLPEndpoint is the base URL of an OTLP/HTTP receiver; empty means that traces are not exported.
	OTLPEndpoint string `json:"otlpEndpoint"`
	// Address is what the HTTP server listens on; empty means :8080.
	Address string `json:"address"`
}

// Distribution is a lognormal one given by two of its quantiles, in seconds. Without P99 it is the constant Median.
type Distribution struct {
	Median Seconds `json:"median"`
	P99    Seconds `json:"p99"`
}

// Endpoint is one path that the service answers, and what it does for each request.
type Endpoint struct {
	Path string `json:"path"`
	// ErrorRate is the share (0 to 1) of requests that fail with 500 by themselves.
	ErrorRate     float64      `json:"errorRate"`
	Latency       Distribution `json:"latency"`
	ResponseBytes int          `json:"responseBytes"`
	// Timeout bounds the whole request; 0 means 30 seconds.
	Timeout Seconds `json:"timeout"`
	Script  []Step  `json:"script"`
}

// Consume is a subscription to a topic, and what the service does for each message.
type Consume struct {
	Broker string `json:"broker"`
	Topic  string `json:"topic"`
	Group  string `json:"group"`
	Script []Step `json:"script"`
}

// Kinds of backing services.
const (
	Kafka    = "kafka"
	MQTT     = "mqtt"
	Postgres = "postgres"
	Redis    = "redis"
)

// Broker says where a message broker listens, as host:port.
type Broker struct {
	Kind    string `json:"kind"`
	Address string `json:"address"`
}

// Database says where a database is and which schema the service creates and uses in it.
type Database struct {
	Kind   string `json:"kind"`
	URL    string `json:"url"`
	Schema string `json:"schema"`
}

// Cache says where a cache listens, as host:port.
type Cache struct {
	Kind    string `json:"kind"`
	Address string `json:"address"`
}
