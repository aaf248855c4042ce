"""All that checks look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from firedrill.engines.pipeline.table import Data


@dataclass(frozen=True)
class Latencies:
    """Of messages through a pipeline: seconds from written to read, and how many were written and never read."""

    seconds: Sequence[float]
    missing: int


@dataclass(frozen=True)
class PipelineRun:
    """One run of the pipeline: how long it took, in seconds, and how many rows came of it where that is known."""

    seconds: float
    rows: int | None = None
    latencies: Latencies | None = None


@dataclass(frozen=True)
class Subject:
    """The data, other tables by name, runs of the pipeline, and what the data was after the first of two runs."""

    data: Data
    now: datetime
    tables: Mapping[str, Data] = field(default_factory=dict)
    runs: Sequence[PipelineRun] = ()
    before: Data | None = None
