package hl7receiver

import (
	"strings"
	"testing"

	"firedrill.dev/simulator/internal/hl7"
)

const sound = "MSH|^~\\&|ward|a|hub|b|20260101||ORU^R01^ORU_R01|77|T|2.5\rPID|1||MRN1^^^x^MR||Doe^Ann\rOBR|1\rOBX|1|NM|8867-4||70\r"

func TestWhichMessagesAreRejected(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"sound":                  {"", "", ""},
		"no control id":          {"|77|", "||", "MSH-10"},
		"a type that is unknown": {"ORU^R01^ORU_R01", "MDM^T02", "MDM^T02"},
		"an old version":         {"|2.5", "|1.0", "version"},
		"no result":              {"OBX|1|NM|8867-4||70\r", "", "OBX"},
		"no patient":             {"MRN1", "", "PID-3"},
	} {
		t.Run(name, func(t *testing.T) {
			message, err := hl7.Parse([]byte(strings.Replace(sound, c.old, c.new, 1)))
			if err != nil {
				t.Fatal(err)
			}
			err = check(message)
			if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
