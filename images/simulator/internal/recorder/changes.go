package recorder

import (
	"encoding/json"
	"time"
)

// collection is a kind whose objects' changes are recorded.
type collection struct{ kind, path string }

// collections by their paths, with room for the namespace.
var collections = []collection{
	{"Deployment", "/apis/apps/v1/namespaces/%s/deployments"},
	{"StatefulSet", "/apis/apps/v1/namespaces/%s/statefulsets"},
	{"ConfigMap", "/api/v1/namespaces/%s/configmaps"},
	{"Service", "/api/v1/namespaces/%s/services"},
	{"HorizontalPodAutoscaler", "/apis/autoscaling/v2/namespaces/%s/horizontalpodautoscalers"},
}

// watchedObject is any of them: its content is in spec, or in data.
type watchedObject struct {
	Metadata   metadata       `json:"metadata"`
	Spec       map[string]any `json:"spec"`
	Data       map[string]any `json:"data"`
	BinaryData map[string]any `json:"binaryData"`
}

type changeRecord struct {
	Kind            string          `json:"kind"`
	Name            string          `json:"name"`
	Action          string          `json:"action"`
	Manager         string          `json:"manager"`
	ResourceVersion string          `json:"resourceVersion"`
	Patch           json.RawMessage `json:"patch"`
}

// known is what an object was like: its content as JSON, which takes less memory than the parsed one.
type known struct {
	uid      string
	content  []byte
	managers managers
	injected bool
}

// changes records changes of the content of the objects of one kind.
type changes struct {
	store  *Store
	kind   string
	self   string
	known  map[string]known
	listed map[string]bool
	synced bool
	now    func() time.Time
}

func newChanges(store *Store, kind, self string) *changes {
	return &changes{store: store, kind: kind, self: self, known: map[string]known{}, listed: map[string]bool{}, now: time.Now}
}

func (c *changes) Listed(object json.RawMessage) {
	if found, ok := c.decode(object); ok {
		c.listed[found.Metadata.Name] = true
		first := created
		if !c.synced {
			first = observed
		}
		c.see(found, first)
	}
}

func (c *changes) Synced() {
	for name, last := range c.known {
		if !c.listed[name] {
			c.forget(name, last, "")
		}
	}
	clear(c.listed)
	c.synced = true
}

func (c *changes) Changed(kind string, object json.RawMessage) {
	found, ok := c.decode(object)
	switch {
	case !ok:
	case kind == "DELETED":
		if last, seen := c.known[found.Metadata.Name]; seen {
			c.forget(found.Metadata.Name, last, found.Metadata.ResourceVersion)
		}
	default:
		c.see(found, created)
	}
}

func (c *changes) decode(object json.RawMessage) (*watchedObject, bool) {
	found := new(watchedObject)
	if err := json.Unmarshal(object, found); err != nil {
		c.store.fail("decode", err)
		return nil, false
	}
	return found, true
}

func (c *changes) see(object *watchedObject, first string) {
	name := object.Metadata.Name
	last, seen := c.known[name]
	if seen && last.uid != object.Metadata.UID {
		c.forget(name, last, "")
		last, seen, first = known{}, false, created
	}
	content := c.contentOf(object)
	before := map[string]any{}
	if seen {
		if err := json.Unmarshal(last.content, &before); err != nil {
			c.store.fail("decode", err)
			return
		}
		first = updated
	}
	patch := mergePatch(before, content)
	manager := changer(last.managers, object.Metadata.ManagedFields)
	text, err := json.Marshal(content)
	if err != nil {
		c.store.fail("encode", err)
		return
	}
	c.known[name] = known{object.Metadata.UID, text, managersOf(object.Metadata.ManagedFields), object.Metadata.ofInjector()}
	if seen && patch == nil {
		return
	}
	packed, err := json.Marshal(patch)
	if err != nil {
		c.store.fail("encode", err)
		return
	}
	c.append(c.known[name], changeRecord{c.kind, name, first, manager, object.Metadata.ResourceVersion, packed}, object)
}

func (c *changes) forget(name string, last known, version string) {
	delete(c.known, name)
	c.append(last, changeRecord{c.kind, name, deleted, "", version, json.RawMessage("null")}, nil)
}

// append writes a change where it belongs; of the flags it is the flags themselves that are the truth.
func (c *changes) append(object known, record changeRecord, now *watchedObject) {
	switch {
	case c.kind == "ConfigMap" && record.Name == flagsName:
		text := ""
		if now != nil {
			text, _ = now.Data[flagsKey].(string)
		}
		c.store.Append(Truth, c.now(), flagsRecord{"flags", record.Action, text})
	case record.Name == flagsName || record.Name == c.self:
	case object.injected || isInjector(record.Manager):
		c.store.Append(Truth, c.now(), struct {
			Record string `json:"record"`
			changeRecord
		}{"change", record})
	default:
		c.store.Append(Changes, c.now(), record)
	}
}

// flagsRecord is the flags from its time on: the whole flags.json, empty when there is none.
type flagsRecord struct {
	Record   string `json:"record"`
	Action   string `json:"action"`
	Document string `json:"document"`
}

func (c *changes) contentOf(object *watchedObject) map[string]any {
	content := map[string]any{}
	for key, value := range map[string]map[string]any{"spec": object.Spec, "data": object.Data, "binaryData": object.BinaryData} {
		if value != nil {
			content[key] = withoutInjector(value)
		}
	}
	return content
}
