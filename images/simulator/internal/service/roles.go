package service

// Every role registers itself when its package is imported.
import (
	_ "firedrill.dev/simulator/internal/devicefleet"
	_ "firedrill.dev/simulator/internal/edgegateway"
	_ "firedrill.dev/simulator/internal/etl"
	_ "firedrill.dev/simulator/internal/fhir"
	_ "firedrill.dev/simulator/internal/fhirload"
	_ "firedrill.dev/simulator/internal/fraudmodel" // role model
	_ "firedrill.dev/simulator/internal/heartbeat"
	_ "firedrill.dev/simulator/internal/hl7receiver"
	_ "firedrill.dev/simulator/internal/hl7sender"
	_ "firedrill.dev/simulator/internal/ingest"
	_ "firedrill.dev/simulator/internal/meshca"
	_ "firedrill.dev/simulator/internal/ota"
	_ "firedrill.dev/simulator/internal/reconcile"
	"firedrill.dev/simulator/internal/role"
	"firedrill.dev/simulator/internal/scripted" // role http
	_ "firedrill.dev/simulator/internal/siem"
	_ "firedrill.dev/simulator/internal/tlsservice"
)

// A worker on a node with a GPU differs in what its pod asks for, not in what its program does.
func init() { role.Register("gpu-worker", scripted.New) }
