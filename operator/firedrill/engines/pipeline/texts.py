"""Checks that look into texts one by one: resources of FHIR, messages of HL7. Why a text is wrong never holds a value
of it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from firedrill.engines.pipeline.finding import Finding, of_rows
from firedrill.engines.pipeline.subject import Subject
from firedrill.engines.pipeline.table import is_text, missing

_REASONS: Final = 3


class NotTexts(ValueError):
    """A column holds something else than texts."""


class NotChecked(Exception):
    """Whether a text is right can not be said here; why, without any value of it."""


def each_text(
    kind: str, column: str, subject: Subject, max_share: float, wrong: Callable[[str], str], hint: str
) -> list[Finding]:
    """The share of texts that are wrong; ``wrong`` says why, or an empty text. Missing ones are not looked at.

    Texts of which ``wrong`` raises NotChecked may be right or wrong: the check is undecided where it depends on them.
    Raises NotTexts, with the hint how the column is read as text.
    """
    values = subject.data.column(column)
    if not is_text(values.type) and values.null_count < len(values):
        raise NotTexts(f"column {column!r} holds {values.type}, not text; {hint}")
    gone = missing(values).to_numpy()
    bad = np.zeros(len(values), dtype=bool)
    reasons: Counter[str] = Counter()
    open_ones: Counter[str] = Counter()
    for row, (text, blank) in enumerate(zip(values.to_pylist(), gone, strict=True)):
        try:
            why = "" if blank else wrong(text)
        except NotChecked as error:
            open_ones[str(error)] += 1
            continue
        if why:
            bad[row] = True
            reasons[why] += 1
    looked_at = len(values) - int(np.count_nonzero(gone))
    what = f"are not valid: {_said(reasons)}" if reasons else "are not valid"
    found = of_rows(f"{kind}({column})", subject.data, [column], bad, looked_at, max_share, what)
    return [_with_open(found, open_ones, looked_at, max_share)] if open_ones else [found]


def _with_open(found: Finding, open_ones: Counter[str], looked_at: int, max_share: float) -> Finding:
    """Passed only where it would be with all of those that were not checked wrong, Failed where with all right."""
    count = open_ones.total()
    detail = f"{found.detail}; {count} could not be checked: {_said(open_ones)}"
    worst = (found.value or 0.0) + count / looked_at
    undecided = found.passed is True and worst > max_share
    return replace(found, passed=None if undecided else found.passed, detail=detail)


def _said(reasons: Counter[str]) -> str:
    said = "; ".join(f"{why} ({count})" for why, count in reasons.most_common(_REASONS))
    return f"{said}; {len(reasons) - _REASONS} more reasons" if len(reasons) > _REASONS else said
