package recorder

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// What would tell a reader of the other streams which faults are on: the flags and their server, and the traces of
// whoever injects faults. A diagnosis must find out by itself.
const (
	flagsName      = "flags"
	flagsKey       = "flags.json"
	injectorDomain = "firedrill.dev/"
	injectorPrefix = "firedrill"
)

// namesFlags finds the words in which the program speaks of its flags.
var namesFlags = regexp.MustCompile(`(?i)\bflags?\b`)

// flagAsCause is how the program names a flag as the cause of an error; a request's failure is a symptom and stays.
var flagAsCause = regexp.MustCompile(`the flag \w+ is set`)

const plainCause = "internal error"

// metadata of an object, as far as the recorder looks at it.
type metadata struct {
	Name              string            `json:"name"`
	UID               string            `json:"uid"`
	ResourceVersion   string            `json:"resourceVersion"`
	CreationTimestamp string            `json:"creationTimestamp"`
	Labels            map[string]string `json:"labels"`
	Annotations       map[string]string `json:"annotations"`
	ManagedFields     []managedField    `json:"managedFields"`
}

// faked tells whether a pod is on a faked node: nobody writes a log there.
func (m *metadata) faked() bool { return m.Labels["kwok.x-k8s.io/node"] == "fake" }

// service is the part of the simulation that an object belongs to.
func (m *metadata) service() string {
	if name := m.Labels["app"]; name != "" {
		return name
	}
	return m.Name
}

// ofInjector tells whether an object is one that an injector of faults made.
func (m *metadata) ofInjector() bool {
	return isInjector(m.Labels["app.kubernetes.io/managed-by"]) || hasInjectorKey(m.Labels)
}

func (m *metadata) ofFlags() bool { return m.service() == flagsName }

func hasInjectorKey(texts map[string]string) bool {
	for key := range texts {
		if isInjectorKey(key) {
			return true
		}
	}
	return false
}

func isInjectorKey(key string) bool { return strings.HasPrefix(key, injectorDomain) }

func isInjector(name string) bool { return strings.HasPrefix(name, injectorPrefix) }

// redact gives the line without words on flags, or says that the whole line tells of them.
func redact(line []byte) (kept []byte, truth bool) {
	if len(line) == 0 || line[0] != '{' || !namesFlags.Match(line) {
		return line, false
	}
	line = flagAsCause.ReplaceAll(line, []byte(plainCause))
	var parsed struct {
		Truth   bool   `json:"truth"`
		Message string `json:"msg"`
	}
	if err := json.Unmarshal(line, &parsed); err != nil {
		// It is not the program's own line: another component may well speak of flags of its own.
		return line, false
	}
	return line, parsed.Truth || namesFlags.MatchString(parsed.Message) || bytes.Contains(line, []byte(`"flags":`))
}

// withoutInjector takes members away whose keys are an injector's, wherever they are.
func withoutInjector(value any) any {
	switch typed := value.(type) {
	case map[string]any:
		for key, member := range typed {
			if isInjectorKey(key) {
				delete(typed, key)
				continue
			}
			typed[key] = withoutInjector(member)
		}
	case []any:
		for i := range typed {
			typed[i] = withoutInjector(typed[i])
		}
	}
	return value
}
