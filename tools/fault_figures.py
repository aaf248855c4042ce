"""What was measured of faults, and where it is kept: the table of faults is written from it."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

ROOT: Final = Path(__file__).resolve().parent.parent
KEPT: Final = ROOT / "docs" / "figures" / "faults.json"


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Spread(_Frozen):
    """How times were spread, in seconds."""

    count: int = Field(ge=1, description="How many there were.")
    p50: float
    p99: float
    last: float


class Conditions(_Frozen):
    """What the machine was like meanwhile."""

    day: str
    processors: int
    nice: int = Field(description="By how much this process gave way to others.")
    load: float = Field(description="The largest load average over a minute that was seen at the end of a repetition.")


class Figure(_Frozen):
    """One fault on so many pods."""

    fault: str
    pods: int = Field(ge=1)
    real: bool = Field(description="Whether the pods ran; else they were made Ready by a stand-in.")
    repetitions: int = Field(ge=1)
    changes: int = Field(description="How many changes one repetition makes.")
    inject: Spread | None = Field(description="From the start of applying until each change was in place.")
    undo: Spread | None = Field(description="From the start of undoing until each change was seen undone.")
    plan: float | None = Field(default=None, description="Seconds to plan it; the largest.")
    record_kib: float = Field(description="Largest size of the record.")
    problem: str = ""
    conditions: Conditions

    @property
    def key(self) -> tuple[str, int]:
        """What it is the figure of; a new one takes the place of the old."""
        return self.fault, self.pods


class Figures(_Frozen):
    """All that is kept."""

    figures: list[Figure]


def spread(times: Sequence[float]) -> Spread | None:
    """Median and 99th percentile (between neighbours, linear) of times; None of none."""
    if not times:
        return None
    cuts = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else [times[0]] * 99
    p50, p99, last = (round(each, 3) for each in (cuts[49], cuts[98], max(times)))
    return Spread(count=len(times), p50=p50, p99=p99, last=last)


def load(path: Path = KEPT) -> list[Figure]:
    """What is kept there; nothing where there is no such file. Raises ValueError where it is something else."""
    return Figures.model_validate_json(path.read_text()).figures if path.exists() else []


def keep(fresh: Iterable[Figure], path: Path = KEPT) -> None:
    """Keep these, each instead of what was kept of the same fault on as many pods."""
    found = {figure.key: figure for figure in (*load(path), *fresh)}
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = Figures(figures=[found[key] for key in sorted(found)])
    path.write_text(kept.model_dump_json(indent=1) + "\n")
