"""Values that come and go by their nature, as sessions of a day do: the reference has others in its later rows."""

from typing import Any, Final

from firedrill.engines.drift.contingency import rare_of_one_side
from firedrill.engines.drift.values import categories

_SURE: Final = 0.05


def renews_itself(column: Any, limit: float) -> bool:
    """Whether the later half of a column's rows has so many rare values that the earlier half lacks, beyond chance.

    Rows that are in no order of time look alike in both halves, whatever their values are.
    """
    half = len(column) // 2
    found = categories(column.slice(0, half), column.slice(half))
    if not found.reference.sum() or not found.current.sum():
        return False
    apart = rare_of_one_side(found.reference, found.current)
    return apart is not None and apart.effect >= limit and apart.p_value < _SURE
