"""Checks of what tells rows apart: uniqueness, references, and the codes that both are made of."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from firedrill.api.datachecks import ReferencesCheck, UniqueCheck
from firedrill.engines.pipeline.alike import alike
from firedrill.engines.pipeline.finding import Finding, of_rows
from firedrill.engines.pipeline.subject import Subject
from firedrill.engines.pipeline.table import is_text, missing

Codes = NDArray[np.int64]

_LARGEST = 2**62


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

    ``columns`` holds, for each column of the key, that column of every table. What is missing is a value like others.
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
    if is_text(column.type):
        column = pc.if_else(missing(column), pa.scalar(None, column.type), column)
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
