"""Checks of what tells rows apart: uniqueness, references, and the codes that both are made of."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from firedrill.api.datachecks import ReferencesCheck, UniqueCheck
from firedrill.engines.pipeline.finding import Finding, of_rows
from firedrill.engines.pipeline.subject import Subject
from firedrill.engines.pipeline.table import is_number, missing

Codes = NDArray[np.int64]

_LARGEST = 2**62
#: Floating point numbers hold every integer up to this one.
_EXACT = 2**53


def unique(check: UniqueCheck, subject: Subject) -> list[Finding]:
    """Share of rows that repeat the values of an earlier one."""
    data = subject.data
    columns = [data.column(name) for name in check.columns]
    gone = any_missing(columns)
    name = f"unique({', '.join(check.columns)})"
    looked_at = data.num_rows - int(np.count_nonzero(gone))
    whole = len(columns) == 1 and pa.types.is_integer(columns[0].type) and not gone.any()
    codes = columns[0].to_numpy() if whole else codes_of([[column] for column in columns])[0]
    usable = np.flatnonzero(~gone)
    repeated = repeats(codes if whole else codes[usable])
    bad = None
    if len(repeated):
        bad = np.zeros(data.num_rows, dtype=bool)
        bad[usable[repeated]] = True
    return [of_rows(name, data, check.columns, bad, looked_at, check.max_share, "repeat an earlier one")]


def references(check: ReferencesCheck, subject: Subject) -> list[Finding]:
    """Share of rows whose values are not in the other table."""
    data, other = subject.data, subject.tables[check.table]
    columns = [data.column(name) for name in check.columns]
    targets = [other.column(name) for name in (check.to or check.columns)]
    gone = any_missing(columns)
    ours, theirs = codes_of([[a, b] for a, b in zip(columns, targets, strict=True)])
    bad = ~np.isin(ours, theirs) & ~gone
    looked_at = data.num_rows - int(np.count_nonzero(gone))
    name = f"references({', '.join(check.columns)})"
    what = f"are not among {other.num_rows} rows of {check.table}"
    return [of_rows(name, data, check.columns, bad, looked_at, check.max_share, what)]


def codes_of(columns: Sequence[Sequence[Any]]) -> list[Codes]:
    """One number a row for the values of several columns together, the same for the same values in every table.

    ``columns`` holds, for each column of the key, that column of every table. Nulls are a value like others.
    """
    sizes = [len(part) for part in columns[0]]
    joint: Codes = np.zeros(sum(sizes), dtype=np.int64)
    largest = 1
    for parts in columns:
        codes, count = _codes(_alike(parts))
        if largest * count >= _LARGEST:
            joint = np.unique(joint, return_inverse=True)[1].astype(np.int64)
            largest = int(joint.max(initial=0)) + 1
        joint = joint * count + codes
        largest *= count
    return np.split(joint, np.cumsum(sizes)[:-1])


def any_missing(columns: Sequence[Any]) -> NDArray[np.bool_]:
    """Rows that lack at least one of the values."""
    gone = np.zeros(len(columns[0]), dtype=bool)
    for column in columns:
        if column.null_count or not pa.types.is_integer(column.type):
            gone |= missing(column).to_numpy()
    return gone


def alike(left: Any, right: Any) -> tuple[Any, Any]:
    """Two columns in one type, so that 7, 7.0 and the text "7" of another format are the same value."""
    if left.type.equals(right.type):
        return left, right
    both = (left, right)
    if any(pa.types.is_null(each.type) for each in both):
        other = right.type if pa.types.is_null(left.type) else left.type
        return left.cast(other), right.cast(other)
    if all(is_number(each.type) for each in both):
        if all(pa.types.is_integer(each.type) for each in both):
            wide = pa.decimal256(20, 0) if any(pa.types.is_uint64(each.type) for each in both) else pa.int64()
            return left.cast(wide), right.cast(wide)
        if all(not pa.types.is_floating(each.type) for each in both):
            return as_decimals(left, right)
        if any(_beyond_floats(each) for each in both):
            return _as_text(left), _as_text(right)
        return left.cast(pa.float64(), safe=False), right.cast(pa.float64(), safe=False)
    if all(pa.types.is_timestamp(each.type) or pa.types.is_date(each.type) for each in both):
        return _microseconds(left), _microseconds(right)
    return _as_text(left), _as_text(right)


def as_decimals(left: Any, right: Any) -> tuple[Any, Any]:
    """Integers and decimals as decimals of one type, exactly; one digit is left for a difference."""
    scale = max(each.type.scale if pa.types.is_decimal(each.type) else 0 for each in (left, right))
    wide = pa.decimal256(75, scale)
    return left.cast(wide), right.cast(wide)


def repeats(codes: Codes) -> Codes:
    """Positions of values that stand above already, in order."""
    # Sorting values is far faster than sorting rows, and mostly there is nothing to look for then.
    ordered = np.sort(codes)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    rows = np.flatnonzero(np.isin(codes, twice)) if len(twice) else np.empty(0, dtype=np.int64)
    first = np.unique(codes[rows], return_index=True)[1]
    later: Codes = np.delete(rows, first).astype(np.int64)
    return later


def _alike(parts: Sequence[Any]) -> Any:
    made = list(parts)
    for i in range(1, len(made)):
        made[0], made[i] = alike(made[0], made[i])
        made[i] = made[i].cast(made[0].type)
    return pa.chunked_array([chunk for part in made for chunk in part.chunks], type=made[0].type)


def _codes(column: Any) -> tuple[Codes, int]:
    """A number for each value, and how many numbers there are at most."""
    if pa.types.is_floating(column.type):
        # -0.0 and 0.0 are one value; adding zero makes them so.
        column = pc.add(pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column), pa.scalar(0, column.type))
    if pa.types.is_nested(column.type):
        column = pa.chunked_array([pa.array([repr(each) for each in column.to_pylist()], pa.string())])
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.unify_dictionaries()
        indices = np.concatenate([each.indices.to_numpy(zero_copy_only=False) for each in encoded.chunks] or [[]])
        count = max((len(each.dictionary) for each in encoded.chunks), default=0)
    else:
        indices, count = encoded.indices.to_numpy(zero_copy_only=False), len(encoded.dictionary)
    return indices.astype(np.int64), max(count, 1)


def _beyond_floats(column: Any) -> bool:
    """Whether a column has integers that floating point numbers do not tell apart."""
    if not pa.types.is_integer(column.type):
        return False
    ends = [value for value in pc.min_max(column).as_py().values() if value is not None]
    return any(abs(value) > _EXACT for value in ends)


def _microseconds(column: Any) -> Any:
    """Times in one unit; those of no zone are UTC."""
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("us"))
    return column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())


def _as_text(column: Any) -> Any:
    kind = column.type
    if pa.types.is_floating(kind):
        # 7.0 of a CSV with blanks is the 7 of a JSON.
        texts = [
            None if v is None or v != v else repr(int(v)) if v.is_integer() else repr(v) for v in column.to_pylist()
        ]
        return pa.chunked_array([pa.array(texts, pa.string())])
    if pa.types.is_nested(kind):
        return pa.chunked_array([pa.array([repr(each) for each in column.to_pylist()], pa.string())])
    return column.cast(pa.string())
