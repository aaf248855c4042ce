"""Schemas of the exported tables. Times are UTC."""

from typing import Final

import pyarrow as pa

#: Rises when a column is renamed, removed or means something else.
SCHEMA_VERSION: Final = 1

_TIME = pa.timestamp("us", tz="UTC")
_TEXT = pa.string()


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(list(columns.items()))


METRICS: Final = _schema(
    time=_TIME, service=_TEXT, pod=_TEXT, metric=_TEXT, labels=pa.map_(_TEXT, _TEXT), value=pa.float64()
)
LOGS: Final = _schema(
    time=_TIME,
    service=_TEXT,
    pod=_TEXT,
    container=_TEXT,
    level=_TEXT,
    trace_id=_TEXT,
    message=_TEXT,
    line=_TEXT,
)
EVENTS: Final = _schema(
    time=_TIME,
    type=_TEXT,
    reason=_TEXT,
    kind=_TEXT,
    name=_TEXT,
    message=_TEXT,
    controller=_TEXT,
    count=pa.int32(),
    field_path=_TEXT,
)
CHANGES: Final = _schema(
    time=_TIME, kind=_TEXT, name=_TEXT, action=_TEXT, manager=_TEXT, resource_version=_TEXT, patch=_TEXT
)
PODS: Final = _schema(
    time=_TIME,
    service=_TEXT,
    pod=_TEXT,
    action=_TEXT,
    phase=_TEXT,
    reason=_TEXT,
    ready=pa.bool_(),
    node=_TEXT,
    restarts=pa.int32(),
    waiting=_TEXT,
    last_termination=_TEXT,
    last_exit_code=pa.int32(),
    last_finished_at=_TIME,
)
EDGES: Final = _schema(caller=_TEXT, callee=_TEXT, requests=pa.float64(), failed=pa.float64())

FLAGS: Final = _schema(start=_TIME, end=_TIME, service=_TEXT, name=_TEXT, value=pa.float64())
EXPERIMENTS: Final = _schema(
    start=_TIME,
    end=_TIME,
    name=_TEXT,
    namespace=_TEXT,
    run=_TEXT,
    fault=_TEXT,
    parameters=_TEXT,
    target=_TEXT,
    fault_start=_TIME,
    fault_end=_TIME,
    injected=_TEXT,
    verdict=_TEXT,
)

#: Tables that are made of the streams of the recorder, by the name that both have.
STREAMS: Final = {"logs": LOGS, "events": EVENTS, "changes": CHANGES, "pods": PODS}
