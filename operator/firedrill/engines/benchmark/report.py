"""What a benchmark found, with its JSON form."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from firedrill.api.verdict import Measurement, Verdict
from firedrill.engines.benchmark.limits import LEVELS
from firedrill.engines.benchmark.ramp import Step
from firedrill.engines.benchmark.tally import Phase, PodUsage, Tally
from firedrill.engines.common.effective import certified
from firedrill.engines.common.histogram import Histogram, upper_edge


@dataclass(frozen=True)
class BenchmarkReport:
    """The outcome of a benchmark. ``phases`` are all that were measured; a ramp has several."""

    verdict: Verdict
    reason: str
    message: str
    measurements: tuple[Measurement, ...]
    phases: tuple[Phase, ...]
    warmup: Tally | None
    steps: Sequence[Step]
    usage: PodUsage | None
    workers: int
    #: The phase that the measurements are of.
    judged: Phase | None = None

    @property
    def counted(self) -> dict[str, int]:
        """Of how many requests each measured share is."""
        return {"error_rate": self.judged.tally.latency.size} if self.judged is not None else {}

    def to_json(self) -> dict[str, Any]:
        """The full evidence; times in seconds."""
        found: dict[str, Any] = {
            "verdict": self.verdict.value,
            "reason": self.reason,
            "message": self.message,
            "workers": self.workers,
            "phases": [_phase(phase) for phase in self.phases],
        }
        if self.warmup is not None:
            found["warmup"] = _tally(self.warmup)
        if self.steps:
            found["ramp"] = [{"rate": step.rate, "held": step.held} for step in self.steps]
        if self.usage is not None:
            found["pods"] = asdict(self.usage)
        return found


def _phase(phase: Phase) -> dict[str, Any]:
    asked = {"rate": phase.rate} if phase.rate is not None else {"concurrency": phase.concurrency}
    return {**asked, **_tally(phase.tally), "trend": _trend(phase.tally)}


def _tally(tally: Tally) -> dict[str, Any]:
    quantiles = {name: _quantile(tally.latency, level) for name, level in LEVELS.items()}
    found: dict[str, Any] = {
        "seconds": tally.seconds,
        "elapsed": tally.elapsed,
        "requests": tally.latency.size,
        "answered": tally.latency.answered,
        "latency": quantiles,
        "errors": [{"kind": kind, "example": text, "count": n} for (kind, text), n in tally.errors.most_common()],
        "client": {
            "late": tally.late,
            "lagAllowed": tally.lag_allowed,
            "lagMax": tally.lag_max,
            "busy": tally.busy,
            "blocked": tally.blocked,
        },
    }
    if tally.tokens:
        found["tokens"] = {
            "count": tally.tokens,
            "first": _quantile(tally.first, 0.95),
            "between": _quantile(tally.between, 0.95),
        }
    return found


def _quantile(histogram: Histogram, level: float) -> dict[str, Any] | None:
    found = certified(histogram, level)
    return None if found is None else {key: _finite(value) for key, value in asdict(found).items()}


def _trend(tally: Tally) -> list[dict[str, Any]]:
    """By piece of time: requests, failures, median and 99th percentile."""
    rows = []
    for i, size in enumerate(tally.latency.sizes()):
        one = Histogram(1)
        one.counts[0], one.failed[0] = tally.latency.counts[i], tally.latency.failed[i]
        ranks = {"p50": math.ceil(0.5 * int(size)), "p99": math.ceil(0.99 * int(size))}
        buckets = {name: one.at_rank(rank) if rank else None for name, rank in ranks.items()}
        rows.append(
            {
                "at": round(i * tally.seconds / len(tally.latency.failed), 3),
                "requests": int(size),
                "failed": int(tally.latency.failed[i]),
                **{name: None if found is None else upper_edge(found) for name, found in buckets.items()},
            }
        )
    return rows


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
