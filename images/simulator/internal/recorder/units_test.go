package recorder

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestLinesThatTellOfFlagsAreTruthAndTheirSymptomsStayWithoutTheCause(t *testing.T) {
	for name, test := range map[string]struct {
		line, kept string
		truth      bool
	}{
		"a change of flags":      {`{"level":"info","msg":"flags changed","flags":[{"name":"slow","value":1}]}`, "", true},
		"a mark":                 {`{"msg":"memory grows by a flag","truth":true}`, "", true},
		"the flags server":       {`{"level":"warn","msg":"the flags server does not answer"}`, "", true},
		"a flag without effect":  {`{"level":"error","msg":"the flag manualGc has no effect"}`, "", true},
		"a failure by a flag":    {`{"msg":"request","status":500,"error":"the flag failure is set"}`, `{"msg":"request","status":500,"error":"internal error"}`, false},
		"an ordinary line":       {`{"msg":"request","status":200}`, `{"msg":"request","status":200}`, false},
		"another program's flag": {`LOG: unrecognized flag`, `LOG: unrecognized flag`, false},
	} {
		t.Run(name, func(t *testing.T) {
			kept, truth := redact([]byte(test.line))
			if truth != test.truth || !truth && string(kept) != test.kept {
				t.Errorf("got %s, truth %t", kept, truth)
			}
		})
	}
}

func TestMergePatch(t *testing.T) {
	parse := func(text string) map[string]any {
		var parsed map[string]any
		if err := json.Unmarshal([]byte(text), &parsed); err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for name, test := range map[string]struct{ from, to, patch string }{
		"same":            {`{"a":{"b":[1]}}`, `{"a":{"b":[1]}}`, `null`},
		"changed member":  {`{"a":{"b":1,"c":2}}`, `{"a":{"b":3,"c":2}}`, `{"a":{"b":3}}`},
		"gone member":     {`{"a":{"b":1,"c":2}}`, `{"a":{"c":2}}`, `{"a":{"b":null}}`},
		"new member":      {`{}`, `{"a":{"b":1}}`, `{"a":{"b":1}}`},
		"list as a whole": {`{"a":[1,2]}`, `{"a":[1,3]}`, `{"a":[1,3]}`},
		"other type":      {`{"a":{"b":1}}`, `{"a":[1]}`, `{"a":[1]}`},
	} {
		t.Run(name, func(t *testing.T) {
			if patch := mergePatch(parse(test.from), parse(test.to)); !reflect.DeepEqual(patch, parse(test.patch)) {
				t.Errorf("got %v, want %s", patch, test.patch)
			}
		})
	}
}

func TestRecordsAreServedAndWrongQuestionsAreNamed(t *testing.T) {
	store := openStore(t, t.TempDir(), 1<<30)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	store.retention = time.Since(at) + time.Hour
	for i := range 3 {
		store.Append(Events, at.Add(time.Duration(i)*time.Minute), text{fmt.Sprint(i)})
	}
	server := httptest.NewServer(newRecords(store, quiet))
	defer server.Close()
	for name, test := range map[string]struct {
		query  url.Values
		status int
		part   string
	}{
		"a window":     {url.Values{"stream": {Events}, "from": {"2026-01-01T00:01:00Z"}, "to": {"2026-01-01T00:02:00Z"}}, 200, "{\"time\":\"2026-01-01T00:01:00.000000000Z\",\"text\":\"1\"}\n"},
		"nothing":      {url.Values{"stream": {Logs}}, 200, ""},
		"no stream":    {url.Values{}, 400, "stream"},
		"wrong stream": {url.Values{"stream": {"secrets"}}, 400, "logs, events"},
		"wrong from":   {url.Values{"stream": {Logs}, "from": {"yesterday"}}, 400, "from"},
		"wrong to":     {url.Values{"stream": {Logs}, "to": {"1"}}, 400, "to"},
	} {
		t.Run(name, func(t *testing.T) {
			response, err := http.Get(server.URL + "?" + test.query.Encode())
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != test.status || !strings.Contains(string(body), test.part) || test.part == "" && len(body) > 0 {
				t.Errorf("got %d %q, %v", response.StatusCode, body, err)
			}
		})
	}
}

func TestLongLinesAreCutAndUnendedOnesAreLeftForNextTime(t *testing.T) {
	stamp := "2026-01-01T00:00:00.5Z "
	long := strings.Repeat("y", longestLine+10)
	var lines []string
	var cuts []bool
	err := readLines(strings.NewReader(stamp+"short\n"+stamp+long+"\nkubelet complains\n"+stamp+"unended"), time.Time{}, func(at time.Time, stamped bool, line []byte, cut bool) {
		lines, cuts = append(lines, string(line[:min(len(line), 20)])), append(cuts, cut)
		if at.Nanosecond() != 5e8 {
			t.Errorf("%s is at %s", line, at)
		}
	})
	if err != nil || !reflect.DeepEqual(lines, []string{"short", strings.Repeat("y", 20), "kubelet complains"}) || !reflect.DeepEqual(cuts, []bool{false, true, false}) {
		t.Errorf("got %v %v, %v", lines, cuts, err)
	}
}
