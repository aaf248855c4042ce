"""The rows of each value of a column: the same comparison within each of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from firedrill.api.driftcheck import Segments
from firedrill.engines.drift.report import ColumnReport, Reason
from firedrill.engines.drift.values import codes_in_order


@dataclass(frozen=True)
class Segment:
    """One value of the column, with the rows of each side that have it as masks."""

    label: str
    reference: Any
    current: Any


def split(
    reference: Any, current: Any, asked: Segments, min_rows: int
) -> tuple[tuple[Segment, ...], tuple[ColumnReport, ...]]:
    """The segments that are compared, most frequent first, and those that have too few rows or were left out."""
    first, second, names = codes_in_order(reference, current)
    counts = [np.bincount(side[side >= 0], minlength=len(names)) for side in (first, second)]
    order = sorted(range(len(names)), key=lambda i: (-int(counts[0][i] + counts[1][i]), names[i]))
    made: list[Segment] = []
    told: list[ColumnReport] = []
    for code in order[: asked.max_segments]:
        label = f"{asked.column} = {names[code][:64]}"
        n, m = int(counts[0][code]), int(counts[1][code])
        if min(n, m) < min_rows:
            message = f"{n} reference and {m} current rows; at least {min_rows} are needed on each side"
            told.append(ColumnReport("rows", "segment", Reason.TOO_FEW_ROWS, message, weight=0.0, segment=label))
        else:
            made.append(Segment(label, pa.array(first == code), pa.array(second == code)))
    left = len(order) - asked.max_segments
    if left > 0:
        message = f"{left} rarer values of {asked.column} are not compared by themselves"
        told.append(ColumnReport("rows", "segment", Reason.TOO_FEW_ROWS, message, weight=0.0, segment="other values"))
    return tuple(made), tuple(told)
