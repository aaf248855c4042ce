package telemetry

import "testing"

func TestWhichPayloadsAreReadings(t *testing.T) {
	for name, c := range map[string]struct {
		payload string
		sound   bool
	}{
		"whole":              {`{"device":"d","zone":"z","at":1,"speed_kmh":3}`, true},
		"cut off":            {`{"device":"d","zo`, false},
		"of no device":       {`{"zone":"z","at":1}`, false},
		"of no time":         {`{"device":"d","zone":"z"}`, false},
		"a topic as name":    {`{"device":"d/#","zone":"z","at":1}`, false},
		"another JSON value": {`[1]`, false},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse([]byte(c.payload)); (err == nil) != c.sound {
				t.Errorf("error %v, want sound %t", err, c.sound)
			}
		})
	}
}
