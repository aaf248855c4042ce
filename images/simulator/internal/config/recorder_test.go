package config

import (
	"fmt"
	"strings"
	"testing"
)

func TestRecorderNamesWhatIsWrongAndFillsInWhatIsAbsent(t *testing.T) {
	directory := t.TempDir()
	for name, test := range map[string]struct{ text, complaint string }{
		"all":            {`{"namespace":"finance","retention":21600,"dir":%q,"maxBytes":1073741824}`, ""},
		"least":          {`{"dir":%q}`, ""},
		"no directory":   {`{"dir":%q}`, "dir"},
		"no retention":   {`{"dir":%q,"retention":0}`, "retention"},
		"too few bytes":  {`{"dir":%q,"maxBytes":1000}`, "maxBytes"},
		"unknown member": {`{"dir":%q,"keep":1}`, "keep"},
	} {
		t.Run(name, func(t *testing.T) {
			place := directory
			if name == "no directory" {
				place += "/absent"
			}
			found, err := Parse[Recorder]([]byte(fmt.Sprintf(test.text, place)))
			if (err == nil) != (test.complaint == "") || err != nil && !strings.Contains(err.Error(), test.complaint) {
				t.Fatalf("got %v", err)
			}
			if err == nil && (found.Name != "recorder" || *found.Retention != 6*3600 || *found.MaxBytes != 1<<30) {
				t.Errorf("got %+v", found)
			}
		})
	}
}
