package fhir

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// started is the date of the CapabilityStatement.
var started = time.Now().UTC()

type link struct {
	Relation string `json:"relation"`
	URL      string `json:"url"`
}

type match struct {
	Mode string `json:"mode"`
}

type entry struct {
	FullURL  string   `json:"fullUrl"`
	Resource resource `json:"resource"`
	Search   match    `json:"search"`
}

type bundle struct {
	ResourceType string  `json:"resourceType"`
	Type         string  `json:"type"`
	Link         []link  `json:"link"`
	Entry        []entry `json:"entry,omitempty"`
}

// search answers with a page of matches and a link to the next one. There is no total: it would cost a scan.
func (s *server) search(w http.ResponseWriter, r *http.Request, kind string) error {
	values := r.URL.Query()
	asked, err := parseQuery(kind, values)
	if err != nil {
		return err
	}
	found, err := s.store.Search(r.Context(), kind, asked.conditions, asked.after, asked.count+1)
	if err != nil {
		return err
	}
	base := "http://" + r.Host + root + "/" + kind
	page := bundle{ResourceType: "Bundle", Type: "searchset", Link: []link{{"self", address(base, values)}}}
	if len(found) > asked.count { // the one too many says that there is a next page
		found = found[:asked.count]
		values.Set(afterParameter, found[asked.count-1].ID)
		page.Link = append(page.Link, link{"next", address(base, values)})
	}
	for _, stored := range found {
		shown, err := present(stored)
		if err != nil {
			return err
		}
		page.Entry = append(page.Entry, entry{base + "/" + stored.ID, shown, match{"match"}})
	}
	patient := ""
	if given := values.Get("patient"); given != "" {
		patient = given
	}
	s.audit(r, "search", kind+" ("+strconv.Itoa(len(found))+" found)", patient)
	answer(w, http.StatusOK, page)
	return nil
}

func address(base string, values url.Values) string {
	if len(values) == 0 {
		return base
	}
	return base + "?" + values.Encode()
}

// parameterTypes are FHIR's names of the kinds of search parameters.
var parameterTypes = map[kindOf]string{
	stringParameter: "string", tokenParameter: "token", dateParameter: "date", referenceParameter: "reference",
}

// capabilities answers with the CapabilityStatement.
func (s *server) capabilities(w http.ResponseWriter, _ *http.Request) {
	type object = map[string]any
	var described []object
	for _, kind := range typeNames {
		parameters := []object{}
		for _, name := range slices.Sorted(maps.Keys(parametersOf[kind])) {
			parameters = append(parameters, object{"name": name, "type": parameterTypes[parametersOf[kind][name]]})
		}
		interactions := []object{}
		for _, code := range []string{"read", "create", "update", "delete", "search-type"} {
			interactions = append(interactions, object{"code": code})
		}
		described = append(described, object{
			"type": kind, "interaction": interactions, "searchParam": parameters,
			"versioning": "versioned-update", "readHistory": false, "updateCreate": true,
		})
	}
	answer(w, http.StatusOK, object{
		"resourceType": "CapabilityStatement", "status": "active", "date": started.Format(time.DateOnly), "kind": "instance",
		"fhirVersion": "4.0.1", "format": []string{"json"}, "software": object{"name": "simulator", "version": s.rt.Config.Version},
		"rest": []object{{"mode": "server", "resource": described}},
	})
}
