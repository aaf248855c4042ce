"""Rows that both sides have, columns that could not be compared, and slow dependence: none may pass or fail a check."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from firedrill.api.driftcheck import ColumnSettings, ColumnType, DriftColumns, Joint, Rows
from firedrill.api.verdict import Verdict
from firedrill.engines.drift import Asked, check
from firedrill.engines.drift.dependent import memory
from firedrill.engines.drift.shared import shared_rows
from firedrill.engines.drift.sketch import Room, check_sketches, sketch_table
from firedrill.engines.drift.table import TableColumns

ALONE = Joint(enabled=False)


def noise(rows: int, labels: int = 2, seed: int = 3) -> pa.Table:
    """Features and a label that has nothing to do with them: a model can only learn rows by heart."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.normal(size=rows) for name in "abcd"}
    return pa.table({**columns, "k": rng.integers(0, labels, rows) if labels else rng.normal(size=rows)})


@pytest.mark.parametrize("labels", [2, 0], ids=["classes", "numbers"])
@pytest.mark.parametrize("part", [slice(0, 1000), slice(600, 1000), slice(0, 250)], ids=["all", "end", "start"])
def test_rows_of_the_reference_are_no_other_concept(part: slice, labels: int) -> None:
    table = noise(1000, labels)
    report = check(table, table.slice(part.start, part.stop - part.start), Asked(joint=ALONE, target="k"))
    assert report.verdict is Verdict.PASSED, report.message


def test_rows_that_are_alike_by_chance_are_not_shared() -> None:
    rng = np.random.default_rng(1)
    few = [rng.integers(0, 3, (500, 2)).astype(float) for _ in range(2)]
    assert (shared_rows(*few) < 0).all()
    many = rng.normal(size=(500, 2))
    many[7] = [np.nan, -0.0]
    other = np.vstack([rng.normal(size=(400, 2)), many[5:105]])
    other[402] = [np.nan, 0.0]
    found = shared_rows(many, other)
    assert (found[:400] < 0).all()
    assert found[400:].tolist() == list(range(5, 105))


@pytest.mark.parametrize(
    ("column", "settings", "reason"),
    [
        (["x"] * 300, [ColumnSettings(name="odd", type=ColumnType.TIME)], "NotOfType"),
        ([[1.0], [1.0, 2.0]] * 150, [ColumnSettings(name="odd", type=ColumnType.EMBEDDING)], "NotOfType"),
    ],
)
def test_a_column_that_was_to_be_compared_and_could_not_be_leaves_the_check_open(
    column: list[object], settings: list[ColumnSettings], reason: str
) -> None:
    table = pa.table({"fine": list(range(300)), "odd": pa.array(column)})
    report = check(table, table, Asked(joint=ALONE, columns=DriftColumns(settings=settings)))
    assert (report.verdict, report.reason) == (Verdict.INCONCLUSIVE, "ColumnsUndecided")
    assert f"odd ({reason})" in report.message
    without = check(table, table, Asked(joint=ALONE, columns=DriftColumns(exclude=["odd"])))
    assert without.verdict is Verdict.PASSED


@pytest.mark.parametrize(("odd", "reason"), [([], "AllMissing"), ([1.0] * 5, "TooFewValues")])
def test_a_column_of_few_values_whose_share_holds_holds_up_no_other(odd: list[float], reason: str) -> None:
    table = pa.table({"fine": list(range(300)), "odd": pa.array([*odd, *[None] * (300 - len(odd))], pa.float64())})
    report = check(table, table, Asked(joint=ALONE))
    assert report.verdict is Verdict.PASSED
    assert f"odd ({reason})" in report.message


def swing(rows: int, share: float, seed: int) -> np.ndarray:
    """A slow first-order process (0.995) of ``share`` of the variance, and noise."""
    rng = np.random.default_rng(seed)
    steps, state = rng.normal(size=rows + 2000), np.zeros(rows + 2000)
    for i in range(1, len(steps)):
        state[i] = 0.995 * state[i - 1] + steps[i]
    slow = state[2000:] / np.sqrt(1 / (1 - 0.995**2))
    return np.sqrt(share) * slow + np.sqrt(1 - share) * rng.normal(size=rows)


def test_a_slow_swing_under_noise_is_too_dependent() -> None:
    """From one row to the next it is hardly seen: the first-order correlation is 0.5."""
    seen = [check(*(pa.table({"x": swing(2000, 0.5, 2 * i + k)}) for k in (0, 1)), RELATED) for i in range(8)]
    assert {report.verdict for report in seen} == {Verdict.INCONCLUSIVE}
    beside = pa.table({"x": swing(2000, 0.5, 0), "fine": np.random.default_rng(0).normal(size=2000)})
    open_ = check(beside, beside, RELATED)
    assert (open_.verdict, open_.reason) == (Verdict.INCONCLUSIVE, "ColumnsUndecided")
    assert "x (TooDependent)" in open_.message


RELATED = Asked(joint=ALONE, rows=Rows(dependent=True))


def test_independent_rows_and_fast_dependence_keep_their_memory() -> None:
    rng = np.random.default_rng(4)
    assert all(memory(rng.normal(size=2000)) < 1.2 for _ in range(50))


@pytest.mark.parametrize(("odd", "reason"), [(1, "Temporal"), (20, "Temporal"), (150, "TypeChanged")])
def test_some_texts_among_dates_are_no_other_type(odd: int, reason: str) -> None:
    """As a file of text has them: one cell that is no date makes the whole column texts."""
    days = [date(2024, 1, 1) + timedelta(days=i) for i in range(400)]
    texts = ["0000-00-00" if i < odd else str(day) for i, day in enumerate(days)]
    report = check(
        pa.table({"day": days, "x": range(400)}), pa.table({"day": texts, "x": range(400)}), Asked(joint=ALONE)
    )
    assert next(column for column in report.columns if column.name == "day").reason == reason


def test_a_column_without_a_name_is_not_compared() -> None:
    """As pandas writes its index into a CSV; a long name is compared as any."""
    sides = [pa.table({"": range(i, i + 300), "n" * 300: range(300)}) for i in (0, 300)]
    report = check(sides[0], sides[1], Asked(joint=ALONE))
    assert report.verdict is Verdict.PASSED, report.message
    assert [column.name for column in report.columns] == ["n" * 300]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(None, "TooManyTexts"), (ColumnType.NUMERIC, "ValuesChanged"), (ColumnType.CATEGORICAL, "ManyValues")],
)
def test_prices_as_texts_are_not_passed_by_sketches(kind: ColumnType | None, reason: str) -> None:
    """The exact way reads them as numbers, and sees that they have moved."""
    rng = np.random.default_rng(6)
    sides = [pa.table({"price": [f"{v:.6f}" for v in rng.normal(mean, 10, 4000)]}) for mean in (100, 130)]
    columns = DriftColumns(settings=[ColumnSettings(name="price", type=kind)] if kind else [])
    asked = Asked(joint=ALONE, columns=columns)
    room = Room(categories=1000)
    made = [sketch_table(["price"], [TableColumns(side)], ["price"], columns, room) for side in sides]
    found = check_sketches(made[0], made[1], asked)
    assert found.columns[0].reason == reason
    assert check(sides[0], sides[1], Asked(joint=ALONE)).columns[0].reason == "ValuesChanged"
    if kind is None:
        assert (found.verdict, found.reason) == (Verdict.INCONCLUSIVE, "TooManyTexts")
