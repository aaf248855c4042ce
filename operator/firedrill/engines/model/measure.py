"""The measured quantities of a load run, before any limit."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from firedrill.engines.common.effective import share_in_order, worth
from firedrill.engines.common.intervals import Quantile, quantile
from firedrill.engines.common.masking import SHOWN, masked
from firedrill.engines.common.shares import Interval, wilson
from firedrill.engines.model.labels import Reading, canonical, is_right, predicted_label
from firedrill.engines.model.records import Outcome, RequestLog, RequestRecord

LEVELS: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
#: The client is saturated when a larger share of requests than this was not sent on schedule.
LATE_SHARE_ALLOWED: Final = 0.05
#: A client that has the processor for more of the time than this has none left to be on time.
BUSY_ALLOWED: Final = 0.9
#: Below this share of the rate that was asked for, the question that was asked has not been put.
RATE_SHARE_NEEDED: Final = 0.9
EXAMPLES_SHOWN: Final = 10
_MICROSECOND: Final = 6


@dataclass(frozen=True)
class ErrorGroup:
    """Requests that failed in one way, with one of their messages."""

    outcome: Outcome
    status: int | None
    count: int
    example: str


@dataclass(frozen=True)
class Confusion:
    """How often one label was taken for another."""

    truth: str
    predicted: str
    count: int


@dataclass(frozen=True)
class Client:
    """How well the client kept its own schedule. Times in seconds, rates in requests a second."""

    busy: float
    lag_allowed: float
    late_share: float
    lag_p99: float
    lag_max: float
    blocked: int
    offered_rate: float
    achieved_rate: float

    @property
    def saturated(self) -> bool:
        """Whether what was measured says more of the client than of the server."""
        return self.late_share > LATE_SHARE_ALLOWED or self.busy > BUSY_ALLOWED

    @property
    def starved(self) -> bool:
        """Whether the load that was asked for was not there at all."""
        return self.achieved_rate < RATE_SHARE_NEEDED * self.offered_rate


@dataclass(frozen=True)
class Measured:
    """Everything that was measured after warm-up. ``accuracy`` is None when nothing was answered, or rows have no
    labels. ``in_order`` are the latencies in the order of the schedule, infinite without an answer."""

    requests: int
    answered: int
    accuracy: Interval | None
    errors: Interval
    server_errors: Interval
    latency: dict[str, Quantile]
    in_order: tuple[float, ...]
    error_groups: tuple[ErrorGroup, ...]
    confusions: tuple[Confusion, ...]
    labels_disjoint: bool
    client: Client


@dataclass(frozen=True)
class Warmup:
    """The requests that are not measured. Latencies in seconds, None without an answer."""

    requests: int
    errors: int
    p50: float | None
    p99: float | None


def measure(log: RequestLog, lag_allowed: float, reading: Reading, *, labelled: bool = True) -> Measured | None:
    """Measure the requests after warm-up; None when there are none.

    ``lag_allowed`` is the delay in seconds up to which the client counts as on schedule. Of rows that are not
    ``labelled`` no answer is right or wrong.

    A request that failed counts as slower than any limit: its user never got an answer. Where requests queue,
    neighbours are slow together: quantiles and error rates rest on as many as they are worth (batch means).
    Accuracy is over the rows that were answered, not over requests: a row sent twice is still one row, so its
    answers are averaged and the interval rests on the number of rows.
    """
    records = [record for record in log.records if not record.warmup]
    if not records:
        return None
    answered = [record for record in records if record.outcome is Outcome.ANSWERED]
    judged = answered if labelled else []
    in_order = tuple(r.latency if r.outcome is Outcome.ANSWERED else math.inf for r in records)
    ordered = sorted(in_order)
    return Measured(
        requests=len(records),
        answered=len(answered),
        accuracy=_accuracy(judged, reading),
        errors=share_in_order([r.outcome is not Outcome.ANSWERED for r in records]),
        server_errors=share_in_order([r.outcome in (Outcome.HTTP_ERROR, Outcome.MALFORMED) for r in records]),
        latency={name: certified(in_order, level, quantile(ordered, level).value) for name, level in LEVELS.items()},
        in_order=in_order,
        error_groups=_error_groups(records),
        confusions=_confusions(judged, reading),
        labels_disjoint=_labels_disjoint(judged, reading),
        client=_client(records, log.client_busy, lag_allowed),
    )


def measure_warmup(log: RequestLog) -> Warmup:
    """What was seen before measuring began."""
    records = [record for record in log.records if record.warmup]
    times = sorted(record.latency for record in records if record.outcome is Outcome.ANSWERED)
    return Warmup(
        requests=len(records),
        errors=len(records) - len(times),
        p50=quantile(times, 0.5).value if times else None,
        p99=quantile(times, 0.99).value if times else None,
    )


def certified(in_order: Sequence[float], level: float, edge: float) -> Quantile:
    """A quantile with the bounds of as many independent requests as these are worth, by those slower than ``edge``."""
    # What differs by less is a tie: the sums of floats in it grow with the time since the start.
    least, values = (np.round(each, _MICROSECOND) for each in (edge, in_order))
    return quantile(sorted(in_order), level, effective=max(int(len(in_order) * worth(values, float(least))), 1))


def _accuracy(answered: Sequence[RequestRecord], reading: Reading) -> Interval | None:
    by_row: dict[int, list[bool]] = defaultdict(list)
    for record in answered:
        by_row[record.row].append(is_right(predicted_label(record.predicted, reading), record.truth, reading))
    if not by_row:
        return None
    return wilson(math.fsum(sum(hits) / len(hits) for hits in by_row.values()), len(by_row))


def _error_groups(records: Sequence[RequestRecord]) -> tuple[ErrorGroup, ...]:
    counts: Counter[tuple[Outcome, int | None]] = Counter()
    examples: dict[tuple[Outcome, int | None], str] = {}
    for record in records:
        if record.outcome is not Outcome.ANSWERED:
            key = (record.outcome, record.status)
            counts[key] += 1
            examples.setdefault(key, record.error)
    return tuple(ErrorGroup(*key, count, examples[key]) for key, count in counts.most_common(EXAMPLES_SHOWN))


def _confusions(answered: Sequence[RequestRecord], reading: Reading) -> tuple[Confusion, ...]:
    """What was said for what, the most frequent first; of texts the form alone, for they may be of persons."""
    wrong: Counter[tuple[str, str]] = Counter()
    for record in answered:
        label = predicted_label(record.predicted, reading)
        if not is_right(label, record.truth, reading):
            truth, said = str(record.truth), str(label)
            wrong[(masked(truth), masked(said)) if reading.text else (truth[:SHOWN], said[:SHOWN])] += 1
    return tuple(Confusion(truth, said, count) for (truth, said), count in wrong.most_common(EXAMPLES_SHOWN))


def _labels_disjoint(answered: Sequence[RequestRecord], reading: Reading) -> bool:
    """Whether no answer is any of the true labels: the wrong column, or numbers for names."""
    truths = {canonical(record.truth) for record in answered}
    said = {canonical(predicted_label(record.predicted, reading)) for record in answered}
    return bool(answered) and truths.isdisjoint(said)


def _client(records: Sequence[RequestRecord], busy: float, lag_allowed: float) -> Client:
    lags = sorted(record.lag for record in records)
    span = max(record.intended for record in records) - min(record.intended for record in records)
    sent = max(record.sent for record in records) - min(record.sent for record in records)
    return Client(
        busy=busy,
        lag_allowed=lag_allowed,
        late_share=sum(lag > lag_allowed for lag in lags) / len(lags),
        lag_p99=quantile(lags, 0.99).value,
        lag_max=lags[-1],
        blocked=sum(record.blocked for record in records),
        offered_rate=(len(records) - 1) / span if span > 0 else 0.0,
        achieved_rate=(len(records) - 1) / sent if sent > 0 else 0.0,
    )
