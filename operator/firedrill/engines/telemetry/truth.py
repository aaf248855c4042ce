"""The ground truth of a window: which flags were on, and which experiments ran."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from firedrill.api.flag import FlagName
from firedrill.api.flag_ranges import RANGES
from firedrill.engines.telemetry.schemas import EXPERIMENTS, FLAGS
from firedrill.engines.telemetry.tables import InvalidRecord, time_of

Row = Mapping[str, Any]

_FAULT_SPAN: Final = re.compile(r"from (\d\d:\d\d:\d\d) to (\d\d:\d\d:\d\d) UTC$")


class _Setting(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    service: Annotated[str, Field(min_length=1)]
    name: str
    value: float = 0.0


class _Document(BaseModel):
    """What the flags server reads, as strictly as it does."""

    model_config = ConfigDict(extra="forbid", strict=True)

    flags: list[_Setting] | None = None


@dataclass(frozen=True)
class Window:
    """A span of time; the end does not belong to it."""

    start: datetime
    end: datetime

    def touches(self, start: datetime, end: datetime | None) -> bool:
        """Whether something that lasts from start to end, or goes on, has a part in the window."""
        return start < self.end and (end is None or end > self.start)


def flags(rows: Iterable[Row], window: Window) -> "pa.Table":
    """When which flag was on with which value, from all records of the truth up to the window's end.

    The end is null for one that was on at the window's end. A document that the flags server refuses changes nothing.
    Raises InvalidRecord.
    """
    on: dict[tuple[str, str], tuple[datetime, float]] = {}
    made: list[dict[str, Any]] = []

    def ended(key: tuple[str, str], at: datetime | None) -> None:
        start, value = on.pop(key)
        if window.touches(start, at):
            made.append({"start": start, "end": at, "service": key[0], "name": key[1], "value": value})

    for row in rows:
        if row.get("record") != "flags":
            continue
        at = time_of(row["time"])
        assert at is not None
        now = _document(row)
        if now is None or at >= window.end:
            continue
        for key in [key for key, (_, value) in on.items() if now.get(key) != value]:
            ended(key, at)
        for key, value in now.items():
            on.setdefault(key, (at, value))
    for key in list(on):
        ended(key, None)
    return pa.Table.from_pylist(sorted(made, key=lambda each: (each["start"], each["service"])), schema=FLAGS)


def _document(row: Row) -> dict[tuple[str, str], float] | None:
    """The flags that a document sets; None where the flags server refuses it."""
    text = row.get("document")
    if not isinstance(text, str):
        raise InvalidRecord(f"truth: a record of flags without their document: {dict(row)!r}"[:300])
    try:
        listed = _Document.model_validate_json(text).flags or [] if text else []
    except ValidationError:
        return None
    found = {(each.service, each.name): each.value for each in listed}
    if len(found) < len(listed) or not all(_in_range(name, value) for (_, name), value in found.items()):
        return None
    # The value 0 is the same as none.
    return {key: value for key, value in found.items() if value}


def _in_range(name: str, value: float) -> bool:
    if name not in set(FlagName):
        return False
    low, high = RANGES[FlagName(name)]
    return low <= value <= high


def experiments(resources: Iterable[Row], namespace: str, cluster_uid: str, window: Window) -> "pa.Table":
    """Runs of ChaosExperiments in the window, whose faults were aimed at a namespace of a cluster.

    The exact span of a fault is known of the last run alone; of earlier ones history keeps when they ran.
    """
    made = [
        row
        for resource in resources
        if resource["spec"]["target"]["namespace"] == namespace
        for row in _runs(resource, cluster_uid)
        if window.touches(row["start"], row["end"])
    ]
    return pa.Table.from_pylist(sorted(made, key=lambda each: (each["start"], each["name"])), schema=EXPERIMENTS)


def _runs(resource: Row, cluster_uid: str) -> Iterable[dict[str, Any]]:
    status = resource.get("status") or {}
    clusters: Sequence[Row] = status.get("clusters") or []
    here = next((each for each in clusters if each.get("clusterUid") == cluster_uid), None)
    if here is None:
        # No run of it is known to have begun in this cluster.
        return
    last = status.get("lastRun") or {}
    finding: Row = next((each for each in here.get("findings") or [] if each["type"] == "Injected"), {})
    for run in [*(each for each in status.get("history") or [] if each["id"] != last.get("id")), last]:
        if not run:
            continue
        start = time_of(run["startedAt"])
        assert start is not None
        row = {**_described(resource), "run": run["id"], "start": start, "end": time_of(run.get("finishedAt"))}
        if run is last:
            span = _fault_span(finding.get("message", ""), start)
            row |= {"injected": finding.get("status"), "verdict": here.get("verdict")}
            row |= {"fault_start": span[0], "fault_end": span[1]} if span else {}
        else:
            row["verdict"] = run.get("verdict")
        yield row


def _described(resource: Row) -> dict[str, Any]:
    spec = resource["spec"]
    fault = next(iter(spec["fault"]))
    return {
        "name": resource["metadata"]["name"],
        "namespace": resource["metadata"].get("namespace", ""),
        "fault": fault,
        "parameters": json.dumps(spec["fault"][fault], sort_keys=True),
        "target": json.dumps(spec["target"], sort_keys=True),
    }


def _fault_span(message: str, run_start: datetime) -> tuple[datetime, datetime] | None:
    found = _FAULT_SPAN.search(message)
    if not found:
        return None
    start, end = (_after(datetime.strptime(text, "%H:%M:%S").time(), run_start) for text in found.groups())
    return start, end


def _after(clock: Any, run_start: datetime) -> datetime:
    """The first moment with that time of day that is not before the run; seconds are cut off in both."""
    at = datetime.combine(run_start.date(), clock, tzinfo=run_start.tzinfo)
    return at if at >= run_start.replace(microsecond=0) else at + timedelta(days=1)
