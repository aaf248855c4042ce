package config

// Multiplexer configures the process that serves for faked pods.
type Multiplexer struct {
	Name       string `json:"name"`
	Simulation string `json:"simulation"`
	Version    string `json:"version"`
	// FlagsConfigMap is the ConfigMap with the flags; empty means flags.
	FlagsConfigMap string `json:"flagsConfigMap"`
	// Address is what its own HTTP server listens on; empty means :8080.
	Address string `json:"address"`
}

// Check fills in what is absent; nothing in it can be wrong.
func (m *Multiplexer) Check() error {
	if m.Name == "" {
		m.Name = "multiplexer"
	}
	if m.FlagsConfigMap == "" {
		m.FlagsConfigMap = "flags"
	}
	return nil
}
