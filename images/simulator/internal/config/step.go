package config

import "fmt"

// Step is one act of a script; exactly one of its fields is set.
type Step struct {
	Call     *Call         `json:"call,omitempty"`
	Sleep    *Distribution `json:"sleep,omitempty"`
	Compute  *Distribution `json:"compute,omitempty"`
	Publish  *Publish      `json:"publish,omitempty"`
	Query    *Query        `json:"query,omitempty"`
	Cache    *CacheAccess  `json:"cache,omitempty"`
	Parallel []Step        `json:"parallel,omitempty"`
}

// Call is a request to another service.
type Call struct {
	Service string `json:"service"`
	URL     string `json:"url"`
	// Probability (0 to 1) of making the call at all; absent means 1.
	Probability *float64 `json:"probability"`
	// Timeout bounds each attempt; 0 means 5 seconds.
	Timeout Seconds `json:"timeout"`
	// Retries counts the attempts after the first one.
	Retries int `json:"retries"`
}

// Publish sends one message.
type Publish struct {
	Broker string `json:"broker"`
	Topic  string `json:"topic"`
}

// Query runs one operation of a database's schema.
type Query struct {
	Database  string `json:"database"`
	Operation string `json:"operation"`
}

// Operations on a cache.
const (
	CacheGet = "get"
	CacheSet = "set"
)

// CacheAccess reads or writes one key of a cache.
type CacheAccess struct {
	Cache     string  `json:"cache"`
	Operation string  `json:"operation"`
	HitRatio  float64 `json:"hitRatio"`
}

func (s *Service) checkScript(place string, script []Step, nested bool) error {
	for i := range script {
		if err := s.checkStep(fmt.Sprintf("%s[%d]", place, i), &script[i], nested); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) checkStep(place string, step *Step, nested bool) error {
	set := 0
	for _, present := range []bool{
		step.Call != nil, step.Sleep != nil, step.Compute != nil, step.Publish != nil,
		step.Query != nil, step.Cache != nil, step.Parallel != nil,
	} {
		if present {
			set++
		}
	}
	if set != 1 {
		return &Error{place, "needs exactly one of call, sleep, compute, publish, query, cache, parallel"}
	}
	switch {
	case step.Call != nil:
		return step.Call.check(place + ".call")
	case step.Sleep != nil:
		return step.Sleep.check(place + ".sleep")
	case step.Compute != nil:
		return step.Compute.check(place + ".compute")
	case step.Publish != nil:
		return first(
			known(place+".publish.broker", step.Publish.Broker, s.Brokers),
			required(place+".publish.topic", step.Publish.Topic),
		)
	case step.Query != nil:
		return first(
			known(place+".query.database", step.Query.Database, s.Databases),
			required(place+".query.operation", step.Query.Operation),
		)
	case step.Cache != nil:
		return first(
			known(place+".cache.cache", step.Cache.Cache, s.Caches),
			oneOf(place+".cache.operation", step.Cache.Operation, CacheGet, CacheSet),
			share(place+".cache.hitRatio", step.Cache.HitRatio),
		)
	}
	if nested {
		return &Error{place + ".parallel", "holds leaf steps only"}
	}
	return s.checkScript(place+".parallel", step.Parallel, true)
}

func (c *Call) check(place string) error {
	probability := 1.0
	if c.Probability != nil {
		probability = *c.Probability
	}
	return first(
		required(place+".service", c.Service),
		httpURL(place+".url", c.URL),
		share(place+".probability", probability),
		notNegative(place+".timeout", float64(c.Timeout)),
		notNegative(place+".retries", float64(c.Retries)),
	)
}
