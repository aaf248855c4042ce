// Package fhir is the role fhir: HL7 FHIR R4 over REST for patients and what is recorded of them.
package fhir

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"

	"firedrill.dev/simulator/internal/fhirstore"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/scripted"
	"firedrill.dev/simulator/internal/trace"
)

const (
	root = "/fhir"
	// auditKind is the kind of the access records; healthcare's law on privacy demands one for each access.
	auditKind    = "hipaa"
	largestBytes = 256 << 10
)

func init() { role.Register("fhir", New) }

type server struct {
	rt    *role.Runtime
	store *fhirstore.Store
}

// New sets the role up; the endpoints of the configuration are served beside /fhir.
func New(_ context.Context, rt *role.Runtime) (role.Role, error) {
	database, err := rt.OnlyDatabase(fhirstore.Model)
	if err != nil {
		return nil, err
	}
	s := &server{rt, fhirstore.New(database)}
	rt.HTTP.Handle("GET "+root+"/metadata", http.HandlerFunc(s.capabilities))
	for _, kind := range typeNames {
		all, one := root+"/"+kind, root+"/"+kind+"/{id}"
		rt.HTTP.Handle("GET "+all, s.handle(kind, s.search))
		rt.HTTP.Handle("POST "+all, s.handle(kind, s.create))
		rt.HTTP.Handle("GET "+one, s.handle(kind, s.read))
		rt.HTTP.Handle("GET "+one+"/_history/{version}", s.handle(kind, s.read))
		rt.HTTP.Handle("PUT "+one, s.handle(kind, s.update))
		rt.HTTP.Handle("DELETE "+one, s.handle(kind, s.remove))
	}
	return scripted.Mount(rt)
}

type action func(w http.ResponseWriter, r *http.Request, kind string) error

func (s *server) handle(kind string, act action) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id := r.PathValue("id"); id != "" && !idPattern.MatchString(id) {
			fail(w, refused(http.StatusBadRequest, "value", "%q is not an id", id))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, largestBytes)
		if err := act(w, r, kind); err != nil {
			fail(w, err)
		}
	})
}

func (s *server) read(w http.ResponseWriter, r *http.Request, kind string) error {
	stored, err := s.store.Get(r.Context(), kind, r.PathValue("id"))
	if err != nil {
		return err
	}
	if wanted := r.PathValue("version"); wanted != "" && wanted != strconv.FormatInt(stored.Version, 10) {
		return refused(http.StatusNotFound, "not-found", "only the latest version is kept, which is %d", stored.Version)
	}
	return s.show(w, r, http.StatusOK, "read", kind, stored)
}

func (s *server) create(w http.ResponseWriter, r *http.Request, kind string) error {
	body, err := s.accept(r, kind)
	if err != nil {
		return err
	}
	return s.put(w, r, kind, strings.ToLower(rand.Text()), body, fhirstore.AnyVersion)
}

func (s *server) update(w http.ResponseWriter, r *http.Request, kind string) error {
	body, err := s.accept(r, kind)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	if body.text("id") != id {
		return invalid("value", kind+".id", "%q is not the id of the URL", body.text("id"))
	}
	version := int64(fhirstore.AnyVersion)
	if tag := r.Header.Get("If-Match"); tag != "" {
		if _, err := fmt.Sscanf(tag, `W/"%d"`, &version); err != nil || version < 1 {
			return refused(http.StatusBadRequest, "value", `If-Match: %q is not like W/"3"`, tag)
		}
	}
	return s.put(w, r, kind, id, body, version)
}

func (s *server) accept(r *http.Request, kind string) (resource, error) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, refused(http.StatusRequestEntityTooLarge, "too-long", "%v", err)
	}
	body, err := parse(text)
	if err != nil {
		return nil, err
	}
	return body, validate(kind, body)
}

func (s *server) put(w http.ResponseWriter, r *http.Request, kind, id string, body resource, version int64) error {
	body["id"] = id
	text, err := body.strip()
	if err != nil {
		return err
	}
	stored, err := s.store.Put(r.Context(), kind, id, text, index(kind, body), version)
	if err != nil {
		return err
	}
	w.Header().Set("Location", fmt.Sprintf("%s/%s/%s/_history/%d", root, kind, id, stored.Version))
	if stored.Version == 1 {
		return s.show(w, r, http.StatusCreated, "create", kind, stored)
	}
	return s.show(w, r, http.StatusOK, "update", kind, stored)
}

func (s *server) remove(w http.ResponseWriter, r *http.Request, kind string) error {
	id := r.PathValue("id")
	version, err := s.store.Delete(r.Context(), kind, id)
	if err != nil {
		return err
	}
	patient := ""
	if kind == patientType {
		patient = id
	}
	s.audit(r, "delete", kind+"/"+id, patient)
	w.Header().Set("ETag", tag(version))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *server) show(w http.ResponseWriter, r *http.Request, status int, verb, kind string, stored fhirstore.Stored) error {
	shown, err := present(stored)
	if err != nil {
		return err
	}
	s.audit(r, verb, kind+"/"+stored.ID, shown.patient())
	w.Header().Set("ETag", tag(stored.Version))
	w.Header().Set("Last-Modified", stored.UpdatedAt.UTC().Format(http.TimeFormat))
	answer(w, status, shown)
	return nil
}

func tag(version int64) string { return fmt.Sprintf(`W/"%d"`, version) }

// audit records who looked at whose data; such records are never sampled.
func (s *server) audit(r *http.Request, verb, what, patient string) {
	s.rt.Audit.WithLabelValues(auditKind).Inc()
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		from = r.RemoteAddr
	}
	span := trace.From(r.Context())
	s.rt.Log.LogAttrs(r.Context(), slog.LevelInfo, "access",
		slog.String("audit", auditKind), slog.String("trace_id", span.TraceHex()), slog.String("span_id", span.SpanHex()),
		slog.String("action", verb), slog.String("resource", what), slog.String("patient", patient), slog.String("from", from))
}
