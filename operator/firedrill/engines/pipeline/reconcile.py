"""Row by row: the data against its source, and against itself after a second run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from firedrill.api.datachecks import IdempotenceCheck, ReconcileCheck
from firedrill.engines.pipeline.alike import alike, as_decimals, further, number_and_text
from firedrill.engines.pipeline.finding import Finding, Rows, Shown, as_mask
from firedrill.engines.pipeline.keys import Codes, codes_of
from firedrill.engines.pipeline.subject import Subject
from firedrill.engines.pipeline.table import Data, is_number, missing

_COLUMNS_NAMED: Final = 5


@dataclass(frozen=True)
class Matched:
    """Rows of a source and of a target that have the same key, and those that are alone on either side."""

    source: Rows
    target: Rows
    missing: Rows
    extra: Rows


def reconcile(check: ReconcileCheck, subject: Subject) -> list[Finding]:
    """Shares of source rows that are missing, of rows that are extra, and of common rows that differ."""
    data, source = subject.data, subject.tables[check.table]
    pairs = [[source.column(name), data.column(name)] for name in check.keys]
    matched = match(*codes_of(pairs))
    names = check.columns or [n for n in data.names if n in source.names and n not in check.keys]
    differs, by_column = _differing(source, data, matched, names, check.tolerance)
    keys = tuple(check.keys)
    said = ", ".join(f"{name} in {count}" for name, count in by_column[:_COLUMNS_NAMED])
    sizes = f"{source.num_rows} rows of {check.table}, {data.num_rows} of the data"
    alone = [] if check.columns else _alone(source, data, check.keys, sizes)
    found = [
        *alone,
        _share(
            "missing", matched.missing, source.num_rows, check.max_missing, Shown(source, matched.missing, keys), sizes
        ),
        _share("extra", matched.extra, data.num_rows, check.max_extra, Shown(data, matched.extra, keys), sizes),
    ]
    if not names:
        # Keys alone have nothing more that could differ; other columns, of which no two go together, may.
        undecided = Finding(
            "reconcile: differing", None, "ratio", f"<= {check.max_differing:g}", None, f"0 columns compared; {sizes}"
        )
        return [*found, undecided] if alone else found
    return [
        *found,
        _share(
            "differing",
            differs,
            len(matched.target),
            check.max_differing,
            Shown(data, differs, (*keys, *(name for name, _ in by_column[:_COLUMNS_NAMED]))),
            f"{len(names)} columns compared{': ' + said if said else ''}; {sizes}",
        ),
    ]


def _alone(source: Data, data: Data, keys: Sequence[str], sizes: str) -> list[Finding]:
    """A column of the source that the data has lost fails; one that the data has alone leaves it undecided."""
    lost = [name for name in dict.fromkeys(source.names) if name not in data.names]
    new = [name for name in dict.fromkeys(data.names) if name not in source.names and name not in keys]
    if not lost and not new:
        return []
    said = [
        f"{len(names)} {where}: {', '.join(names[:_COLUMNS_NAMED])}"
        for names, where in ((lost, "in the source alone"), (new, "in the data alone"))
        if names
    ]
    detail = f"{'; '.join(said)}; name in columns those that count; {sizes}"
    count = float(len(lost) + len(new))
    return [Finding("reconcile: columns of one side", count, "columns", "<= 0", False if lost else None, detail)]


def idempotence(check: IdempotenceCheck, subject: Subject) -> list[Finding]:
    """Rows that only one of two runs has left, as a share of all rows of both."""
    before, after = subject.before, subject.data
    assert before is not None, "a run twice has a first one"
    names = [name for name in before.names if name not in check.ignore_columns]
    other = [name for name in after.names if name not in check.ignore_columns]
    sizes = f"{before.num_rows} rows after the first run, {after.num_rows} after the second"
    if sorted(names) != sorted(other):
        changed = sorted(set(names) ^ set(other)) or names
        return [Finding("idempotence", None, "ratio", "<= 0", False, f"columns differ: {', '.join(changed)}; {sizes}")]
    if not names or not before.num_rows + after.num_rows:
        return [Finding("idempotence", None, "ratio", "<= 0", None, f"there is nothing to compare; {sizes}")]
    matched = match(*codes_of([[before.column(name), after.column(name)] for name in names]))
    count = len(matched.missing) + len(matched.extra)
    share = count / (before.num_rows + after.num_rows)
    detail = (
        f"{len(matched.missing)} rows only after the first run, {len(matched.extra)} only after the second; {sizes}"
    )
    shown = Shown(after, matched.extra, tuple(names)) if len(matched.extra) else None
    return [Finding("idempotence", share, "ratio", "<= 0", count == 0, detail, shown)]


def match(source: Codes, target: Codes) -> Matched:
    """Pair rows by their keys. Of a key that repeats, the first row is paired with the first, and so on."""
    source, target = _numbered(source, target)
    order = np.argsort(source, kind="stable")
    if len(source) == 0:
        none = np.empty(0, dtype=np.int64)
        return Matched(none, none, none, np.arange(len(target), dtype=np.int64))
    at = np.searchsorted(source[order], target)
    found = at < len(source)
    found[found] = source[order[at[found]]] == target[found]
    rows = order[at[found]]
    left = np.ones(len(source), dtype=bool)
    left[rows] = False
    return Matched(
        rows.astype(np.int64),
        np.flatnonzero(found).astype(np.int64),
        np.flatnonzero(left).astype(np.int64),
        np.flatnonzero(~found).astype(np.int64),
    )


def _numbered(source: Codes, target: Codes) -> tuple[Codes, Codes]:
    """Codes made different for each repetition of a key."""
    first, second = _occurrences(source), _occurrences(target)
    most = int(max(first.max(initial=0), second.max(initial=0))) + 1
    if most == 1:
        return source, target
    # Dense, so that the product can not be too large for the integers.
    dense = np.unique(np.concatenate([source, target]), return_inverse=True)[1].astype(np.int64)
    return dense[: len(source)] * most + first, dense[len(source) :] * most + second


def _occurrences(codes: Codes) -> Codes:
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(codes) else np.empty(0, int)
    numbers: Codes = np.empty(len(codes), dtype=np.int64)
    lengths = np.diff(np.concatenate([starts, [len(codes)]]))
    numbers[order] = np.arange(len(codes)) - np.repeat(starts, lengths)
    return numbers


def _differing(
    source: Data, data: Data, matched: Matched, names: Sequence[str], tolerance: float
) -> tuple[Rows, list[tuple[str, int]]]:
    """Rows of the data that differ in any column, and columns with the number of rows, the worst first."""
    any_differs: NDArray[np.bool_] = np.zeros(len(matched.target), dtype=bool)
    counts = []
    for name in names:
        left, right = _taken(source.column(name), matched.source), _taken(data.column(name), matched.target)
        differs = _unequal(left, right, tolerance)
        count = int(np.count_nonzero(differs))
        if count:
            counts.append((name, count))
            any_differs |= differs
    counts.sort(key=lambda each: (-each[1], each[0]))
    return matched.target[any_differs], counts


def _taken(column: Any, rows: Rows) -> Any:
    whole = len(rows) == len(column) and bool((rows == np.arange(len(rows))).all())
    return column if whole else column.take(pa.array(rows))


def _unequal(left: Any, right: Any, tolerance: float) -> NDArray[np.bool_]:
    if tolerance and is_number(left.type) and is_number(right.type):
        return _apart(left, right, tolerance)
    mixed = number_and_text(left, right)
    left, right = alike(left, right)
    if pa.types.is_nested(left.type):
        return np.array([a != b for a, b in zip(left.to_pylist(), right.to_pylist(), strict=True)], dtype=bool)
    if left.type != right.type:
        right = right.cast(left.type)
    unequal = as_mask(pc.not_equal(left, right))
    if tolerance and mixed:
        rows = np.flatnonzero(unequal).astype(np.int64)
        unequal = unequal.copy()
        unequal[rows] = further(left, right, rows, tolerance)
    return _marked(left, right, unequal)


def _apart(left: Any, right: Any, tolerance: float) -> NDArray[np.bool_]:
    """Numbers that are further apart than allowed; without floats among them the difference is exact."""
    if any(pa.types.is_floating(each.type) for each in (left, right)):
        sides = (left.cast(pa.float64(), safe=False), right.cast(pa.float64(), safe=False))
    else:
        sides = as_decimals(left, right)
    apart = pc.abs(pc.subtract(*sides)).cast(pa.float64(), safe=False)
    return _marked(left, right, pc.greater(apart, tolerance))


def _marked(left: Any, right: Any, unequal: Any) -> NDArray[np.bool_]:
    gone, other = missing(left), missing(right)
    one = as_mask(pc.xor(gone, other))
    return (as_mask(unequal) & ~as_mask(gone) & ~as_mask(other)) | one


def _share(what: str, rows: Rows, of: int, limit: float, shown: Shown, sizes: str) -> Finding:
    name = f"reconcile: {what}"
    if of == 0:
        return Finding(name, None, "ratio", f"<= {limit:g}", None, f"there are no rows; {sizes}")
    share = len(rows) / of
    detail = f"{len(rows)} of {of} rows; {sizes}"
    return Finding(name, share, "ratio", f"<= {limit:g}", share <= limit, detail, shown if len(rows) else None)
