package recorder

import "reflect"

// mergePatch is the JSON merge patch (RFC 7386) from one object to another; nil when they are the same.
func mergePatch(from, to map[string]any) map[string]any {
	patch := map[string]any{}
	for key, before := range from {
		after, kept := to[key]
		if !kept {
			patch[key] = nil
			continue
		}
		if reflect.DeepEqual(before, after) {
			continue
		}
		beforeObject, wasObject := before.(map[string]any)
		afterObject, isObject := after.(map[string]any)
		if wasObject && isObject {
			patch[key] = mergePatch(beforeObject, afterObject)
			continue
		}
		patch[key] = after
	}
	for key, after := range to {
		if _, known := from[key]; !known {
			patch[key] = after
		}
	}
	if len(patch) == 0 {
		return nil
	}
	return patch
}
