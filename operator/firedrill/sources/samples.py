"""Samples of a Prometheus over a time, as a table."""

import math
from datetime import datetime
from typing import Any, Final

import httpx
import pyarrow as pa

from firedrill.api.datastores import PrometheusSource
from firedrill.sources.errors import SourceError, SourceReason
from firedrill.sources.prometheus import Prometheus
from firedrill.sources.table import MemoryTable, SourceTable

#: A server answers with at most 11,000 samples a series.
_POINTS: Final = 10_000
_MOST: Final = 10_000_000


async def read_samples(
    client: httpx.AsyncClient, source: PrometheusSource, start: datetime, end: datetime, field: str
) -> SourceTable:
    """A row a sample: time, value (null where it is not a number), and a column for each label of the series.

    Raises SourceError: Unreachable where the server does not answer, InvalidData where it refuses the query.
    """
    server, step = Prometheus(client, source.url), source.step.total_seconds()
    times: list[float] = []
    values: list[float | None] = []
    labels: list[dict[str, str]] = []
    # The first time after the window is not in it.
    first, last = start.timestamp(), end.timestamp() - 0.001
    while first <= last:
        until = min(first + step * (_POINTS - 1), last)
        for series in await _ask(server, source, first, until, step, field):
            for at, text in series["values"]:
                times.append(float(at))
                values.append(_finite(text))
                labels.append(series["metric"])
        if len(times) > _MOST:
            raise SourceError(SourceReason.INVALID_DATA, field, f"more than {_MOST} samples; set a longer step")
        first = until + step
    names = sorted({name for each in labels for name in each})
    columns: dict[str, Any] = {
        "time": pa.array([round(1000 * at) for at in times], pa.timestamp("ms", "UTC")),
        "value": pa.array(values, pa.float64()),
    }
    for name in names:
        # A label may be called as our own columns are.
        label = f"label_{name}" if name in columns else name
        columns[label] = pa.array([each.get(name) for each in labels], pa.string())
    return MemoryTable(pa.table(columns))


async def _ask(
    server: Prometheus, source: PrometheusSource, start: float, end: float, step: float, field: str
) -> list[dict[str, Any]]:
    try:
        return await server.query_range(source.query, start, end, step)
    except SourceError as error:
        wrong = error.reason is SourceReason.INVALID_DATA
        raise SourceError(error.reason, f"{field}.{'query' if wrong else 'url'}", error.message) from error


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
