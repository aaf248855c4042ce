package config

// FlagServer configures the flags server. Without File it follows a ConfigMap of its own namespace.
type FlagServer struct {
	Name       string `json:"name"`
	Simulation string `json:"simulation"`
	Version    string `json:"version"`
	// File is a JSON file of flags that is followed in place of the ConfigMap.
	File string `json:"file"`
	// ConfigMap is the followed ConfigMap's name; empty means flags. The flags are in its key flags.json.
	ConfigMap string `json:"configMap"`
	// Address is what the HTTP server listens on; empty means :8080.
	Address string `json:"address"`
}

// Check fills in what is absent; nothing in it can be wrong.
func (f *FlagServer) Check() error {
	if f.Name == "" {
		f.Name = "flags"
	}
	if f.ConfigMap == "" {
		f.ConfigMap = "flags"
	}
	return nil
}
