"""What a model validation found, with its JSON form."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from firedrill.api.verdict import Measurement, Verdict
from firedrill.engines.model.measure import Measured, Warmup
from firedrill.engines.model.records import Readiness


@dataclass(frozen=True)
class ModelReport:
    """The outcome of a validation. ``measured`` is None when no request was measured."""

    verdict: Verdict
    reason: str
    message: str
    measurements: tuple[Measurement, ...]
    readiness: Readiness
    rows: int
    rows_skipped: int
    measured: Measured | None
    warmup: Warmup
    details: Mapping[str, Any] = field(default_factory=dict)
    #: Name, version and platform, as the server tells them.
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def counted(self) -> dict[str, int]:
        """Of how many rows or requests each measured share is."""
        if self.measured is None:
            return {}
        rows = {"accuracy": self.measured.accuracy.size} if self.measured.accuracy is not None else {}
        return {"error_rate": self.measured.errors.size, **rows}

    def to_json(self) -> dict[str, Any]:
        """The full evidence; times in seconds, numbers that are not finite as null."""
        result: dict[str, Any] = {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "message": self.message,
            "readiness": self.readiness.value,
            "model": dict(self.facts),
            "rows": {"usable": self.rows, "skipped": self.rows_skipped},
            "warmup": asdict(self.warmup),
            **self.details,
        }
        if self.measured is not None:
            measured = self.measured
            result |= {
                "requests": {"measured": measured.requests, "answered": measured.answered},
                "accuracy": asdict(measured.accuracy) if measured.accuracy else None,
                "errorRate": asdict(measured.errors),
                "latency": {name: asdict(value) for name, value in measured.latency.items()},
                "errors": [asdict(group) for group in measured.error_groups],
                "confusions": [asdict(confusion) for confusion in measured.confusions],
                "client": asdict(measured.client) | {"saturated": measured.client.saturated},
            }
        cleaned: dict[str, Any] = _finite(result)
        return cleaned


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
