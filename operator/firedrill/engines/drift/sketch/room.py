"""How large the sketches of a table may be."""

from dataclasses import dataclass
from typing import Final

from firedrill.api.errors import InvalidInput

#: A single process has memory enough; a worker hands over both of its tables in one ConfigMap, which holds 1 MiB.
_HANDED_OVER: Final = 880_000
_LARGEST_K: Final = 4096
#: A KLL sketch keeps three values for each of k, and a few more.
_BYTES_PER_K: Final = 25
#: With a smaller k, sketches are too coarse to say anything near the usual limit of 0.1.
_LEAST_K: Final = 200
_CATEGORIES: Final = 10_000
_NAME_BYTES: Final = 1_000_000
_FEW: Final = 1_000
#: A count beside a name, and a number with its count.
_COUNT_BYTES: Final = 8


@dataclass(frozen=True)
class Room:
    """Room of one column of one side.

    ``k`` is that of its KLL sketch; up to ``few`` different numbers are counted one by one, and so are up to
    ``categories`` different texts of together ``name_bytes`` bytes.
    """

    k: int = _LARGEST_K
    few: int = _FEW
    categories: int = _CATEGORIES
    name_bytes: int = _NAME_BYTES


def room_for(columns: int, workers: int) -> Room:
    """The room of each column. Raises InvalidInput where workers can not hand over sketches that say anything."""
    if workers <= 1:
        return Room()
    share = _HANDED_OVER // (2 * max(columns, 1))
    k = min(share // _BYTES_PER_K, _LARGEST_K)
    if k < _LEAST_K:
        most = _HANDED_OVER // (2 * _BYTES_PER_K * _LEAST_K)
        raise InvalidInput(
            f"spec.scale.workers: workers can hand over sketches of at most {most} columns, and there are {columns}; "
            "name fewer in spec.columns.include, or set one worker"
        )
    return Room(
        k=k,
        few=min(_FEW, share // (2 * _COUNT_BYTES)),
        categories=min(_CATEGORIES, share // (2 * _COUNT_BYTES)),
        name_bytes=min(_NAME_BYTES, share // 2),
    )
