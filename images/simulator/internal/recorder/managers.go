package recorder

import (
	"encoding/json"
	"hash/fnv"
	"sort"
)

// managedField is who set which fields last, in their own name.
type managedField struct {
	Manager     string          `json:"manager"`
	Operation   string          `json:"operation"`
	Subresource string          `json:"subresource"`
	Time        string          `json:"time"`
	FieldsV1    json.RawMessage `json:"fieldsV1"`
}

type managerKey struct{ manager, operation, subresource string }

// managers is what was known of the managers of an object: a digest of each one's entry.
type managers map[managerKey]uint64

func managersOf(fields []managedField) managers {
	found := managers{}
	for _, field := range fields {
		digest := fnv.New64a()
		_, _ = digest.Write([]byte(field.Time)) // a hash never fails
		_, _ = digest.Write(field.FieldsV1)
		found[managerKey{field.Manager, field.Operation, field.Subresource}] = digest.Sum64()
	}
	return found
}

// changer is the field manager that made a change: the latest of those whose entries differ from before, else the
// latest of all. Writers of status do not count; of two in the same second the one by name.
func changer(before managers, fields []managedField) string {
	now := managersOf(fields)
	var differing, all []managedField
	for _, field := range fields {
		if field.Subresource == "status" {
			continue
		}
		key := managerKey{field.Manager, field.Operation, field.Subresource}
		all = append(all, field)
		if before[key] != now[key] {
			differing = append(differing, field)
		}
	}
	if len(differing) == 0 {
		differing = all
	}
	if len(differing) == 0 {
		return ""
	}
	sort.Slice(differing, func(i, j int) bool {
		if differing[i].Time != differing[j].Time {
			return differing[i].Time > differing[j].Time
		}
		return differing[i].Manager < differing[j].Manager
	})
	return differing[0].Manager
}
