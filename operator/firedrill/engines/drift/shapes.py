"""Columns of special types brought into a form that the usual tests compare."""

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from firedrill.api.base import parse_time
from firedrill.api.driftcheck import ColumnType
from firedrill.api.times import NotTimes, to_unix
from firedrill.engines.drift.values import kind_of, plain, values_in_order

#: Texts that are looked at to see whether they are times.
_LOOKED_AT: Final = 1000


class NotThisType(ValueError):
    """The values are not of the type that was asked for; the message says what they are."""


class OtherWidths(NotThisType):
    """Vectors of the sides differ in how many numbers they have."""

    def __init__(self, reference: int, current: int) -> None:
        super().__init__(f"vectors of {reference} and {current} numbers can not be compared")
        self.reference, self.current = reference, current


def shaped(reference: Any, current: Any, asked: ColumnType | None) -> tuple[Any, Any]:
    """Both sides of a column as the type asked for. Raises NotThisType."""
    if asked is ColumnType.EMBEDDING:
        return _projected(reference, current)
    return shaped_side(reference, asked), shaped_side(current, asked)


def shaped_side(column: Any, asked: ColumnType | None) -> Any:
    """One side, or a piece of it, as a type that needs no look at the other side. Raises NotThisType."""
    if asked is ColumnType.TEXT_LENGTH:
        return _lengths(column)
    return _times(column) if asked is ColumnType.TIME else column


def is_embedding(kind: Any) -> bool:
    """Whether a type is a vector of floats by its own declaration."""
    return bool(pa.types.is_fixed_size_list(kind) and pa.types.is_floating(kind.value_type))


def _lengths(column: Any) -> Any:
    if kind_of(column.type) not in ("text", "empty"):
        raise NotThisType(f"values of type {column.type} have no length in characters")
    return pc.utf8_length(plain(column).cast(pa.large_string()))


def _times(column: Any) -> Any:
    kind = kind_of(column.type)
    if kind in ("temporal", "numeric", "empty"):
        return column
    if kind == "text":
        try:
            seconds = to_unix(plain(column).cast(pa.string()), "")
        except NotTimes as error:
            raise NotThisType("texts that are not dates or times") from error
        return pc.round(pc.multiply(seconds, 1e6)).cast(pa.int64()).cast(pa.timestamp("us"))
    raise NotThisType(f"values of type {column.type} are no dates or times")


def time_share(column: Any) -> float:
    """Share of texts that are dates or times, of a thousand at even distances."""
    texts = plain(column).cast(pa.string()).drop_null()
    step = max(len(texts) // _LOOKED_AT, 1)
    found = [_is_time(text) for text in texts.take(pa.array(range(0, len(texts), step))).to_pylist()]
    return sum(found) / len(found) if found else 0.0


def _is_time(text: str) -> bool:
    try:
        parse_time(text.strip())
    except (ValueError, OverflowError):
        return False
    return True


def _projected(reference: Any, current: Any) -> tuple[Any, Any]:
    """Vectors as numbers: their places along the line between the means of both sides.

    The line is found on every second row and only the other rows are placed on it: rows that had a say in the
    line would look further apart than they are, and the test after it would not keep its level.
    """
    first, second = _vectors(reference), _vectors(current)
    widths = {side.shape[1] for side in (first, second)} - {0}
    if len(widths) > 1:
        raise OtherWidths(first.shape[1], second.shape[1])
    if not widths:
        raise NotThisType("vectors of no numbers can not be compared")
    if (
        min(len(first), len(second)) < 4
        or first.shape != (len(first), *widths)
        or second.shape != (len(second), *widths)
    ):
        raise NotThisType("too few vectors to find a line between the sides")
    sides = [np.where(np.isfinite(side), side, np.nan) for side in (first, second)]
    means = [np.nan_to_num(_mean(side[::2])) for side in sides]
    spread = np.nan_to_num(_spread(np.concatenate([side[::2] for side in sides])))
    line = np.divide(means[1] - means[0], spread**2, out=np.zeros_like(spread), where=spread > 0)
    kept = [side[1::2] @ line for side in sides]
    return pa.chunked_array([pa.array(kept[0])]), pa.chunked_array([pa.array(kept[1])])


def _mean(side: NDArray[np.float64]) -> NDArray[np.float64]:
    counted = np.isfinite(side).sum(axis=0)
    total = np.nansum(side, axis=0)
    mean: NDArray[np.float64] = np.divide(total, counted, out=np.zeros_like(total), where=counted > 0)
    return mean


def _spread(side: NDArray[np.float64]) -> NDArray[np.float64]:
    spread: NDArray[np.float64] = np.sqrt(_mean((side - _mean(side)) ** 2))
    return spread


def _vectors(column: Any) -> NDArray[np.float64]:
    kind = column.type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not lists or not (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)):
        raise NotThisType(f"values of type {kind} are no vectors of numbers")
    widths = sorted(pc.unique(pc.list_value_length(column)).drop_null().to_pylist())
    if len(widths) > 1:
        raise NotThisType(f"vectors have between {widths[0]} and {widths[-1]} numbers")
    width = widths[0] if widths else 0
    vectors: NDArray[np.float64] = np.full((len(column), width), np.nan)
    if not width:
        return vectors
    vectors[np.asarray(column.is_valid())] = values_in_order(pc.list_flatten(column)).reshape(-1, width)
    return vectors
