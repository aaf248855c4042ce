"""Columns whose rare values come and go by their nature: identifiers, times as texts, sessions of a day."""

import re
from typing import Any, Final

import numpy as np
import pyarrow as pa

from firedrill.engines.drift.contingency import rare_of_one_side
from firedrill.engines.drift.values import categories, plain

_SURE: Final = 0.05
#: Share of rows whose value is there once, from which on values are names of rows.
_NAMES: Final = 0.8
#: Share of texts that look like times, and how many are looked at, at even distances.
_TIMES: Final = 0.9
_LOOKED_AT: Final = 500
#: A time of day; a date of numbers, or with the name of a month; both in one number.
_TIME: Final = re.compile(
    r"\b\d{1,2}:\d{2}\b|^\s*\d{1,4}([-/.])\d{1,2}\1\d{1,4}\b"
    r"|^\s*\d{1,2}[-/ ][A-Za-z]{3,9}[-/ ]\d{2,4}\b|^\s*\d{8}T?\d{4}"
)


def renews_itself(column: Any, limit: float) -> bool:
    """Whether rare values of a column are of their time, so that others on another day say nothing.

    So they are where nearly all of them are there once, where they look like times, and where the later half of the
    rows has as many that the earlier half lacks, beyond chance. Rows that are in no order look alike in both halves.
    """
    if _look_like_times(column):
        return True
    half = len(column) // 2
    found = categories(column.slice(0, half), column.slice(half))
    if not found.reference.sum() or not found.current.sum():
        return False
    both = found.reference + found.current
    if np.count_nonzero(both == 1) >= _NAMES * both.sum():
        return True
    apart = rare_of_one_side(found.reference, found.current)
    return apart is not None and apart.effect >= limit and apart.p_value < _SURE


def _look_like_times(column: Any) -> bool:
    texts = plain(column).cast(pa.string()).drop_null()
    step = max(len(texts) // _LOOKED_AT, 1)
    seen = texts.take(pa.array(range(0, len(texts), step))).to_pylist()
    return bool(seen) and sum(_TIME.search(text) is not None for text in seen) >= _TIMES * len(seen)
