"""Exports a window: telemetry to one place, the ground truth to another or nowhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from firedrill.cli.exporting.reading import Telemetry
from firedrill.cli.exporting.writing import Place
from firedrill.engines.telemetry import schemas, series, tables, truth
from firedrill.engines.telemetry.concealment import tells_metric

Rows = dict[str, int]


@dataclass(frozen=True)
class Order:
    """What is exported; step in seconds."""

    namespace: str
    window: truth.Window
    step: float

    def manifest(self, rows: Rows) -> dict[str, Any]:
        """What an export holds."""
        return {
            "schemaVersion": schemas.SCHEMA_VERSION,
            "namespace": self.namespace,
            "from": _text(self.window.start),
            "to": _text(self.window.end),
            "stepSeconds": self.step,
            "rows": rows,
        }


async def export(source: Telemetry, order: Order, place: Place) -> Rows:
    """Write all that a diagnosis may read; the numbers of rows by table."""
    rows: Rows = {"metrics": await _metrics(source, order, place)}
    for stream, schema in schemas.STREAMS.items():
        with place.table(stream, schema) as file:
            async for found in source.records(stream, order.window.start, order.window.end):
                file.write(tables.table(stream, found))
        rows[stream] = file.rows
    with place.table("edges", schemas.EDGES) as file:
        file.write(series.edges(*await source.calls(order.window.start, order.window.end)))
    rows["edges"] = file.rows
    place.manifest(order.manifest(rows))
    return rows


async def _metrics(source: Telemetry, order: Order, place: Place) -> int:
    """One or more row groups a metric, in the order of their names."""
    window: Final = order.window
    with place.table("metrics", schemas.METRICS) as file:
        for name in sorted(await source.metric_names(window.start, window.end)):
            if tells_metric(name):
                continue
            async for found in source.metric(name, window.start, window.end, order.step):
                file.write(series.metrics(found))
            file.end_group()
    return file.rows


async def export_truth(
    source: Telemetry, order: Order, place: Place, resources: Sequence[Mapping[str, Any]] | None
) -> Rows:
    """Write which flags were on, and which experiments ran where those of a hub are given."""
    rows: Rows = {}
    with place.table("flags", schemas.FLAGS) as file:
        file.write(truth.flags(await source.truth(order.window.end), order.window))
    rows["flags"] = file.rows
    if resources is not None:
        uid = await source.cluster_uid()
        with place.table("experiments", schemas.EXPERIMENTS) as file:
            file.write(truth.experiments(resources, order.namespace, uid, order.window))
        rows["experiments"] = file.rows
    place.manifest(order.manifest(rows))
    return rows


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
