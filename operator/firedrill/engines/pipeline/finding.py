"""What a check found: a value against a limit, and the rows that show it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firedrill.engines.pipeline.table import Data

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Shown:
    """Rows of a table that fail, by position, and the columns that say why."""

    data: Data
    rows: Rows
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """One measured value of a check. ``passed`` is None where neither can be said. ``detail`` has the sample size."""

    name: str
    value: float | None
    unit: str
    limit: str
    passed: bool | None
    detail: str
    shown: Shown | None = None


def of_rows(
    name: str,
    data: Data,
    columns: Sequence[str],
    bad: Any,
    looked_at: int,
    max_share: float,
    what: str = "fail",
) -> Finding:
    """The share of rows that fail. ``bad`` marks them, or is None where none do; ``looked_at`` rows had a value."""
    limit = f"<= {max_share:g}"
    if looked_at == 0:
        return Finding(name, None, "ratio", limit, None, f"no row of {data.num_rows} has a value to look at")
    rows = np.flatnonzero(as_mask(bad)).astype(np.int64) if bad is not None else np.empty(0, np.int64)
    share = len(rows) / looked_at
    detail = f"{len(rows)} of {looked_at} rows {what}"
    shown = Shown(data, rows, tuple(columns)) if len(rows) else None
    return Finding(name, share, "ratio", limit, share <= max_share, detail, shown)


def as_mask(marks: Any) -> NDArray[np.bool_]:
    """Booleans of Arrow or numpy as a numpy array; null is false."""
    if isinstance(marks, np.ndarray):
        return marks
    import pyarrow.compute as pc

    array = pc.fill_null(marks, False)
    made: NDArray[np.bool_] = np.asarray(array.to_numpy(zero_copy_only=False) if hasattr(array, "type") else array)
    return made
