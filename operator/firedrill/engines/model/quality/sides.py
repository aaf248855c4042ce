"""Two models that are held against each other: what is known of each, and what a comparison of both has found."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from firedrill.api.baseline import Baseline
from firedrill.engines.common.shares import Interval
from firedrill.engines.model.measure import Measured
from firedrill.engines.model.quality.metric import Answered
from firedrill.engines.model.records import Outcome, RequestRecord


@dataclass(frozen=True)
class Side:
    """One of two models: its requests, what they measured, its answers by row, and how right or wrong each is (None
    where that can not be told)."""

    records: Sequence[RequestRecord]
    measured: Measured | None
    rows: Sequence[Answered]
    scores: Mapping[int, float] | None

    @property
    def late(self) -> bool:
        """Whether the client may have made itself what was measured."""
        return self.measured is not None and self.measured.client.saturated


@dataclass(frozen=True)
class Found:
    """A comparison: its interval, None with the reason where it can not be had, and what is said of it beside.

    ``missing`` counts rows that one model alone has answered: nothing is known of how far apart both are there.
    """

    interval: Interval | None
    said: str
    missing: int = 0


def silent(theirs: Side) -> str:
    """Why a baseline that was asked tells nothing; empty where it answered anything that is measured."""
    found = theirs.measured
    if found is None:
        return "the baseline was sent nothing that is measured"
    if found.answered:
        return ""
    how = found.error_groups[0]
    often = how.outcome.value if how.status is None else f"status {how.status}"
    return f"the baseline answered none of {found.requests} requests, most often {often}"


def told(ours: Side, theirs: Side | None, wanted: Baseline) -> dict[str, Any]:
    """What the report tells of both models, whatever is limited."""
    sides = {"model": ours.measured, "baseline": theirs.measured if theirs is not None else None}
    return {
        "mode": wanted.mode.value,
        "loads": {
            name: {
                "requests": found.requests,
                "answered": found.answered,
                "errorRate": asdict(found.errors),
                "errors": [asdict(group) for group in found.error_groups],
                "latency": {level: asdict(value) for level, value in found.latency.items()},
                "late": found.client.saturated,
            }
            for name, found in sides.items()
            if found is not None
        },
    }


def measured(side: Side) -> list[RequestRecord]:
    """The requests after warm-up, in the order of the schedule."""
    return [record for record in side.records if not record.warmup]


def measured_pairs(ours: Side, theirs: Side) -> list[tuple[RequestRecord, RequestRecord]]:
    """The same request to both: each load has the plan of the other and is cut off at its end at most."""
    return [pair for pair in zip(ours.records, theirs.records, strict=False) if not pair[0].warmup]


def by_row(
    records: Sequence[RequestRecord], values: Sequence[float], of: Callable[[Sequence[float]], float]
) -> dict[int, float]:
    """One value a row, whatever how often it was sent: requests of one row are no independent evidence."""
    found: dict[int, list[float]] = defaultdict(list)
    for record, value in zip(records, values, strict=True):
        found[record.row].append(value)
    return {row: of(items) for row, items in found.items()}


def failed(record: RequestRecord) -> bool:
    """Whether it has no answer."""
    return record.outcome is not Outcome.ANSWERED


def latency(record: RequestRecord) -> float:
    """Seconds to the answer; a request that failed is slower than any other."""
    return math.inf if failed(record) else record.latency
