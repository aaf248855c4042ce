"""Checks that look into texts one by one: resources of FHIR, messages of HL7. Why a text is wrong never holds a value
of it."""

from collections import Counter
from collections.abc import Callable
from typing import Final

import numpy as np

from firedrill.engines.pipeline.finding import Finding, of_rows
from firedrill.engines.pipeline.subject import Subject
from firedrill.engines.pipeline.table import is_text, missing

_REASONS: Final = 3


class NotTexts(ValueError):
    """A column holds something else than texts."""


def each_text(
    kind: str, column: str, subject: Subject, max_share: float, wrong: Callable[[str], str], hint: str
) -> list[Finding]:
    """The share of texts that are wrong; ``wrong`` says why, or an empty text. Missing ones are not looked at.

    Raises NotTexts, with the hint how the column is read as text.
    """
    values = subject.data.column(column)
    if not is_text(values.type) and values.null_count < len(values):
        raise NotTexts(f"column {column!r} holds {values.type}, not text; {hint}")
    gone = missing(values).to_numpy()
    bad = np.zeros(len(values), dtype=bool)
    reasons: Counter[str] = Counter()
    for row, (text, blank) in enumerate(zip(values.to_pylist(), gone, strict=True)):
        why = "" if blank else wrong(text)
        if why:
            bad[row] = True
            reasons[why] += 1
    looked_at = len(values) - int(np.count_nonzero(gone))
    said = "; ".join(f"{why} ({count})" for why, count in reasons.most_common(_REASONS))
    more = f"; {len(reasons) - _REASONS} more reasons" if len(reasons) > _REASONS else ""
    what = f"are not valid: {said}{more}" if said else "are not valid"
    return [of_rows(f"{kind}({column})", subject.data, [column], bad, looked_at, max_share, what)]
