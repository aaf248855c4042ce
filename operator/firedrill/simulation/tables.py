"""Table models: what a simulated database holds, and the operations that scripts may ask of it."""

from collections.abc import Mapping
from typing import Final

#: Operations by table model.
OPERATIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "generic": ("read", "write", "scan"),
    "ledger": ("transfer", "read", "settle", "history", "reconcile"),
    "fhir": ("read", "search"),
    "telemetry": ("latest", "range"),
}
