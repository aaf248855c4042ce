package main

// Settings are what a holder or a load does; the part that belongs to its mode is set.
type Settings struct {
	Mode string `json:"mode"`

	// Of proxies: where it listens, and the port of the application.
	Listen int `json:"listen"`
	Port   int `json:"port"`

	// Delay of what the application answers, in milliseconds.
	DelayMs  int `json:"delayMs"`
	JitterMs int `json:"jitterMs"`

	// Of HTTP: the share of the requests that are hit, and what they get.
	Percent int     `json:"percent"`
	Status  int     `json:"status"`
	Body    *string `json:"body"`

	// Of TLS: what is wrong with the certificate.
	Certificate string `json:"certificate"`

	// Of DNS: an address for a name; none is NXDOMAIN.
	Answers map[string]string `json:"answers"`

	// Of loads.
	Workers      int    `json:"workers"`
	Bytes        int64  `json:"bytes"`
	LimitPercent int    `json:"limitPercent"`
	Path         string `json:"path"`
	Count        int    `json:"count"`

	// Of a holder: whether it also stands under the user of the pod's first process.
	Perches bool `json:"perches"`
}
