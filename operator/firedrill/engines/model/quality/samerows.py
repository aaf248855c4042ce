"""What two models answer to the same rows: how often they agree, and how far their scores are apart."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from firedrill.api.modelvalidation import ModelTask
from firedrill.engines.common.intervals import exact
from firedrill.engines.common.shares import Interval
from firedrill.engines.model.asked import Asked
from firedrill.engines.model.labels import as_number, is_right
from firedrill.engines.model.limits import with_interval
from firedrill.engines.model.quality.metric import Answered
from firedrill.engines.model.quality.sides import Found, Side

#: Pairs of answers that the report lists; the most frequent come first.
_LISTED: Final = 10
_Scores = tuple[Sequence[float], Sequence[float]]


def agreement(ours: Side, theirs: Side, asked: Asked, told: dict[str, Any]) -> Found:
    """Share of rows of which both say the same, with Clopper's and Pearson's interval; texts are told by count alone,
    for they may be of persons."""
    pairs, missing = _both(ours, theirs)
    if not pairs:
        return Found(None, "agreement unknown: no rows were answered by both models")
    # An answer that holds the other is not the same answer.
    alike = replace(asked.reading, contains=False)
    apart = [(one, other) for one, other in pairs if not is_right(one.label, other.label, alike)]
    counted = Counter((str(one.label)[:64], str(other.label)[:64]) for one, other in apart)
    shown = not asked.reading.text
    told["disagreements"] = (
        [{"model": one, "baseline": other, "rows": count} for (one, other), count in counted.most_common(_LISTED)]
        if shown
        else [{"rows": len(apart)}] * bool(apart)
    )
    found = _with_missing(exact(len(pairs) - len(apart), len(pairs), 0.95), missing, 1.0)
    often = f", most often {_shown(counted)}" if counted and shown else f", {len(apart)} apart" if apart else ""
    return Found(found, f"agreement {with_interval(found)} of {_rows(len(pairs), missing)}{often}", missing)


def _both(ours: Side, theirs: Side) -> tuple[list[tuple[Answered, Answered]], int]:
    """What both answered to a row, of every row that both answered; and how many rows one alone has answered."""
    others = {row.row: row for row in theirs.rows}
    pairs = [(row, others[row.row]) for row in ours.rows if row.row in others]
    return pairs, len(ours.rows) + len(theirs.rows) - 2 * len(pairs)


def _with_missing(found: Interval, missing: int, reach: float) -> Interval:
    """An interval of values in 0 to ``reach`` that holds whatever those are that are ``missing``.

    They may be missing for what makes them differ.
    """
    share = missing / (found.size + missing)
    low, high = found.low * (1 - share), found.high * (1 - share) + (reach * share if share else 0.0)
    return replace(found, low=low, high=high)


def _rows(compared: int, missing: int) -> str:
    return f"{compared} rows" + (f" ({missing} more were answered by one model alone)" if missing else "")


def _shown(counted: Counter[tuple[str, str]]) -> str:
    (one, other), count = counted.most_common(1)[0]
    return f"{one!r} for the baseline's {other!r} in {count}"


def score_difference(ours: Side, theirs: Side, asked: Asked) -> Found:
    """Mean size of the differences, with an interval for values that have an end."""
    pairs, missing = _both(ours, theirs)
    if not pairs:
        return Found(None, "score_difference unknown: no rows were answered by both models")
    scores = [found for found in (_scores(one, other, asked) for one, other in pairs) if found is not None]
    if len(scores) < len(pairs) or len({len(one) for one, _ in scores}) > 1:
        return Found(None, "score_difference unknown: answers hold no scores of both")
    apart = [_apart(*found) for found in scores]
    reach = _reach(scores, apart, bounded=asked.task is not ModelTask.REGRESSION)
    found = _with_missing(bounded_mean(apart, reach), missing, reach)
    return Found(found, f"score_difference {with_interval(found)} of {_rows(len(pairs), missing)}", missing)


def bounded_mean(values: Sequence[float], reach: float) -> Interval:
    """Mean of values in 0 to ``reach``, with Clopper's and Pearson's interval of their sum in units of ``reach``.

    Of all such values those at the ends alone vary most, and of them it is exact; so it has room for the few that are
    far apart where most are equal, where Student's held in as few as 26 of 100. ``values`` must not be empty. Where
    ``reach`` is 0 or infinite nothing is known of what was not seen, and nothing limits it.
    """
    size, total = len(values), math.fsum(values)
    if not 0 < reach < math.inf:
        return Interval(total / size, 0.0, math.inf, size)
    found = exact(min(total / reach, size), size, 0.95)
    return Interval(total / size, found.low * reach, found.high * reach, size)


def _scores(one: Answered, other: Answered, asked: Asked) -> _Scores | None:
    """The numbers of two answers to a row; None where one is a label alone."""
    sides = [[as_number(value) for value in item.values] for item in (one, other)]
    first, second = ([value for value in side if value is not None] for side in sides)
    if len(first) != len(one.values) or len(second) != len(other.values) or len(first) != len(second):
        return None
    if len(first) == 1 and asked.task is not ModelTask.REGRESSION and asked.reading.threshold is None:
        return None
    return first, second


def _apart(first: Sequence[float], second: Sequence[float]) -> float:
    """How far two answers are apart: two numbers, or half the sum over the scores of all classes."""
    return math.fsum(abs(a - b) for a, b in zip(first, second, strict=True)) / (1 if len(first) == 1 else 2)


def _reach(scores: Sequence[_Scores], apart: Sequence[float], *, bounded: bool) -> float:
    """How far two answers can be apart.

    Scores in 0 to 1 by that. Numbers without an end as far as was seen, or, where most are equally far apart and so
    tell nothing of the others, by the range of all answers.
    """
    columns = list(zip(*(side for pair in scores for side in pair), strict=True))
    halves = 1 if len(columns) == 1 else 2
    if bounded and all(0 <= value <= 1 for column in columns for value in column):
        shares = all(math.isclose(sum(side), 1, abs_tol=0.01) for pair in scores for side in pair)
        return 1.0 if halves == 1 or shares else len(columns) / 2
    [(_, most)] = Counter(apart).most_common(1)
    if 2 * most <= len(apart):
        return max(apart)
    return math.fsum(max(column) - min(column) for column in columns) / halves
