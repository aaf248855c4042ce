// Package flags holds the inner fault flags: their names, the set a service obeys, and the client of the flags server.
package flags

// Flag names. The comment says what the flag's value means; 0 is off.
const (
	Failure            = "failure"            // share of requests that fail with 500
	Unreachable        = "unreachable"        // above 0: connections to business endpoints are closed at once
	Slow               = "slow"               // seconds added to each request
	HighCPU            = "highCpu"            // cores burnt, at most 1
	ManualGC           = "manualGc"           // seconds between garbage collections that stop the world over a big heap
	MemoryLeak         = "memoryLeak"         // MiB kept per second
	DiskFill           = "diskFill"           // MiB written per second to the pod's own scratch space
	FailedReadiness    = "failedReadiness"    // above 0: /readyz says no
	QueueProblems      = "queueProblems"      // seconds that each consumed message takes longer
	PoisonMessage      = "poisonMessage"      // share of published messages that no consumer can parse
	CacheFailure       = "cacheFailure"       // share of cache reads that miss and grow the key space
	StaleConfig        = "staleConfig"        // above 0: the service keeps the settings it has
	Throttle           = "throttle"           // requests per second beyond which the service answers 429
	SlowQueries        = "slowQueries"        // share of queries that become full scans of a large table
	LogStorm           = "logStorm"           // extra log lines per second
	FloodEntry         = "floodEntry"         // load generator: factor on its rate
	AuditFlood         = "auditFlood"         // extra compliance alerts per second
	HeartbeatLoss      = "heartbeatLoss"      // share of devices that go silent
	ExpiredCertificate = "expiredCertificate" // above 0: the authority issues no certificates, so that they run out
)

// Range is the span of values that a flag may have.
type Range struct{ Low, High float64 }

// Known are the flags there are, with the values they may have.
var Known = map[string]Range{
	Failure:            {0, 1},
	Unreachable:        {0, 1},
	Slow:               {0, 300},
	HighCPU:            {0, 1},
	ManualGC:           {0, 3600},
	MemoryLeak:         {0, 1024},
	DiskFill:           {0, 1024},
	FailedReadiness:    {0, 1},
	QueueProblems:      {0, 3600},
	PoisonMessage:      {0, 1},
	CacheFailure:       {0, 1},
	StaleConfig:        {0, 1},
	Throttle:           {0, 1e6},
	SlowQueries:        {0, 1},
	LogStorm:           {0, 1e5},
	FloodEntry:         {0, 1000},
	AuditFlood:         {0, 1e5},
	HeartbeatLoss:      {0, 1},
	ExpiredCertificate: {0, 1},
}

// Everyone is the service name of a flag that is meant for every service.
const Everyone = "*"

// Flag is one flag's value.
type Flag struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// Answer is what the flags server answers to one service.
type Answer struct {
	Revision string `json:"revision"`
	Flags    []Flag `json:"flags"`
}
