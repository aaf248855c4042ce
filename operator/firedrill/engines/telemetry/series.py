"""Tables of metrics and of calls between services, from what Prometheus answers."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa

from firedrill.engines.telemetry.concealment import tells_metric, tells_service
from firedrill.engines.telemetry.schemas import EDGES, METRICS

Series = Mapping[str, Any]

#: Requests of services to each other over a window in seconds, those that got no good answer apart.
CALLS: Final = "sum by (service, peer) (increase(http_client_requests_total[{seconds}s]))"
FAILED: Final = 'sum by (service, peer) (increase(http_client_requests_total{{code!~"[23].."}}[{seconds}s]))'

_COLUMNS: Final = ("__name__", "service", "pod")


def metrics(series: Iterable[Series]) -> "pa.Table":
    """The table of the answers to range queries, without metrics and services that tell of faults."""
    kept = [
        each
        for each in series
        if not tells_metric(each["metric"].get("__name__", "")) and not tells_service(each["metric"].get("service", ""))
    ]
    lengths = [len(each["values"]) for each in kept]
    times = np.array([float(at) for each in kept for at, _ in each["values"]])
    labels = [sorted((key, value) for key, value in each["metric"].items() if key not in _COLUMNS) for each in kept]
    made = [
        pa.array((times * 1e6).round().astype("int64")).cast(METRICS.field("time").type),
        *(_repeated([each["metric"].get(key) for each in kept], lengths) for key in ("service", "pod", "__name__")),
        _repeated(labels, lengths, METRICS.field("labels").type),
        pa.array([float(value) for each in kept for _, value in each["values"]], pa.float64()),
    ]
    return pa.Table.from_arrays(made, schema=METRICS)


def _repeated(values: Sequence[object], lengths: Sequence[int], kind: pa.DataType | None = None) -> "pa.Array":
    indices = np.repeat(np.arange(len(values)), lengths)
    return pa.array(values, kind or pa.string()).take(pa.array(indices, pa.int64()))


def edges(calls: Iterable[Series], failed: Iterable[Series]) -> "pa.Table":
    """Who called whom how often in the window, from the answers to CALLS and FAILED."""
    bad = {_edge(each): float(each["value"][1]) for each in failed}
    found = {_edge(each): float(each["value"][1]) for each in calls}
    rows = [
        {"caller": edge[0], "callee": edge[1], "requests": requests, "failed": bad.get(edge, 0.0)}
        for edge, requests in sorted(found.items())
        if requests > 0 and not any(tells_service(name) for name in edge)
    ]
    return pa.Table.from_pylist(rows, schema=EDGES)


def _edge(series: Series) -> tuple[str, str]:
    return series["metric"].get("service", ""), series["metric"].get("peer", "")


def slices(start: datetime, end: datetime, step: float, points: int) -> list[tuple[float, float]]:
    """The window cut into spans of at most so many points, as Unix times, both ends included in a span."""
    first, last = start.astimezone(UTC).timestamp(), end.astimezone(UTC).timestamp()
    count = int((last - first) / step + 1e-9) + 1
    return [(first + at * step, first + (min(at + points, count) - 1) * step) for at in range(0, count, points)]
