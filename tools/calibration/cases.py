"""What is repeated: two tables from one distribution, checked as a user would have them checked."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Final

import numpy as np
import pyarrow as pa
from tests.accuracy.test_concept import more_of_one, rbf, rbf_moved, sea

from calibration.columns import ALL, KINDS, Rng, drawn, series, settings, table
from firedrill.api.driftcheck import ColumnSettings, ColumnType, Correction, DriftColumns, Joint, Rows
from firedrill.engines.drift import Asked, DriftReport, check
from firedrill.engines.drift.correction import correct
from firedrill.engines.drift.report import Reason
from firedrill.engines.drift.sketch import Room, check_sketches, sketch_table
from firedrill.engines.drift.table import TableColumns

SIGNIFICANCE: Final = 0.05
SIZES: Final = ((1000, 1000), (5000, 200), (200, 5000))
#: Rows of each side for the tests of the whole table.
CONCEPT_ROWS: Final = (1000, 2000, 5000)


@dataclass(frozen=True)
class Case:
    """One line of the table. ``once`` draws both sides, checks them and counts what it saw.

    ``share`` is of the repetitions asked for; ``rate`` the counter that must keep to its level, ``claimed`` whether
    it is promised to.
    """

    name: str
    once: Callable[[Rng], Counter[str]]
    share: float = 1.0
    claimed: bool = True


def seen(report: DriftReport) -> Counter[str]:
    """``by p``: any test significant after correction, whatever its effect, or any type taken for changed."""
    adjusted = [test.p_adjusted for column in report.columns for test in column.tests]
    adjusted += [whole.p_adjusted for whole in report.wholes if whole.p_adjusted is not None]
    schema = any(column.drift and not column.tests for column in report.columns)
    drift = any(column.drift for column in report.columns) or any(whole.drift for whole in report.wholes)
    return Counter(
        {
            "by p": int(schema or min(adjusted, default=1.0) < SIGNIFICANCE),
            "with limits": int(drift),
            "tests": len(adjusted),
            "too dependent": sum(column.reason is Reason.TOO_DEPENDENT for column in report.columns),
        }
    )


def of_kinds(kinds: tuple[str, ...], sizes: tuple[int, int], joint: bool = False) -> Callable[[Rng], Counter[str]]:
    """A check of a table with a column of each of these kinds."""
    asked = Asked(columns=DriftColumns(settings=settings(kinds)), joint=Joint(enabled=joint))

    def once(rng: Rng) -> Counter[str]:
        reference, current = (table(kinds, drawn(kinds, rng, rows)) for rows in sizes)
        return seen(check(reference, current, asked, workers=1))

    return once


def of_many(kinds: tuple[str, ...], sizes: tuple[int, int]) -> Callable[[Rng], Counter[str]]:
    """The same without the tables: the engine's tests and correction on what was drawn."""
    asked = Asked(columns=DriftColumns(settings=settings(kinds)), joint=Joint(enabled=False))
    limit, compared = asked.thresholds.min_ks_effect, [False]
    tested = [one for kind in kinds if (one := KINDS[kind].tested)]

    def once(rng: Rng) -> Counter[str]:
        sides = [drawn(kinds, rng, rows) for rows in sizes]
        tests = [test for one, *pair in zip(tested, *sides, strict=True) for test in one(*pair)]
        if not compared[0]:
            compared[0] = True
            reference, current = (table(kinds, side) for side in sides)
            report = check(reference, current, asked, workers=1)
            theirs = sorted(test.p_value for column in report.columns for test in column.tests)
            np.testing.assert_allclose(sorted(test.p_value for test in tests), theirs, rtol=1e-9)
        adjusted = correct([test.p_value for test in tests], [1.0] * len(tests), Correction.HOLM)
        pairs = list(zip(tests, adjusted, strict=True))
        return Counter(
            {
                "by p": int(min(adjusted) < SIGNIFICANCE),
                "with limits": int(any(p < SIGNIFICANCE and test.effect >= limit for test, p in pairs)),
                "tests": len(tests),
            }
        )

    return once


def in_groups(sizes: tuple[int, int]) -> Callable[[Rng], Counter[str]]:
    """A check by sketches of texts that are too many to be counted one by one."""
    room = Room(categories=1000)

    def once(rng: Rng) -> Counter[str]:
        sides = [pa.table({"id": rng.integers(0, 20_000, rows).astype(str)}) for rows in sizes]
        asked = Asked(columns=DriftColumns(settings=[ColumnSettings(name="id", type=ColumnType.CATEGORICAL)]))
        made = [sketch_table(["id"], [TableColumns(side)], ["id"], asked.columns, room) for side in sides]
        return seen(check_sketches(made[0], made[1], asked))

    return once


def dependent(sizes: tuple[int, int], phi: float, columns: int = 10) -> Callable[[Rng], Counter[str]]:
    """A check of rows that depend on each other, and are said to."""
    asked = Asked(rows=Rows(dependent=True))
    return lambda rng: seen(check(series(rng, sizes[0], columns, phi), series(rng, sizes[1], columns, phi), asked, 1))


def concept(make: Callable[[Rng], tuple[Any, Any]]) -> Callable[[Rng], Counter[str]]:
    """A check of labelled rows; ``by p`` is the concept's own p-value at the level."""
    asked = Asked(target="label")

    def once(rng: Rng) -> Counter[str]:
        report = check(*make(rng), asked, 1)
        found = next(whole for whole in report.wholes if whole.part.value == "concept")
        p_value = 1.0 if found.p_value is None else found.p_value
        return Counter(
            {
                "by p": int(p_value < SIGNIFICANCE),
                "p < 0.01": int(p_value < 0.01),
                "with limits": int(found.drift),
                "undecided": int(found.p_value is None),
                "anything": seen(report)["by p"],
            }
        )

    return once


def _concepts(rows: int) -> list[Case]:
    makers: dict[str, Callable[[Rng], tuple[Any, Any]]] = {
        "SEA, nothing moves": lambda rng: (sea(rng, rows, 8), sea(rng, rows, 8)),
        "SEA, features move mildly": lambda rng: (sea(rng, rows, 8), sea(rng, rows, 8, 1.3)),
        "SEA, features move strongly": lambda rng: (sea(rng, rows, 8), sea(rng, rows, 8, 2.0)),
        "SEA, labels 0.32 to 0.45": lambda rng: (sea(rng, rows, 8), more_of_one(rng, rows, 8, 0.45)),
        "SEA, labels 0.32 to 0.6": lambda rng: (sea(rng, rows, 8), more_of_one(rng, rows, 8, 0.6)),
        "RBF, nothing moves": lambda rng: rbf(rng, rows, False),
        "RBF, features move": lambda rng: rbf_moved(rng, rows),
    }
    columns = {name: 3 if name.startswith("SEA") else 5 for name in makers}
    return [
        Case(f"concept | {columns[name]} | {name} | {rows}/{rows}", concept(make), 0.15)
        for name, make in makers.items()
    ]


def _independent() -> list[Case]:
    cases = []
    for first, second in SIZES:
        cases += [
            Case(f"columns | 1 | {kind} | {first}/{second}", of_kinds((kind,), (first, second))) for kind in KINDS
        ]
    for first, second in (*SIZES, (100, 100), (3000, 3000)):
        cases.append(Case(f"columns | 10 | all kinds | {first}/{second}", of_kinds(ALL, (first, second))))
    for count, share in ((100, 1.0), (1000, 0.25)):
        kinds = tuple(islice(cycle(ALL), count))
        for first, second in SIZES:
            cases.append(
                Case(f"columns | {count} | all kinds | {first}/{second}", of_many(kinds, (first, second)), share)
            )
    for kind in ("normal", "300 categories", "50 equal categories", "rounded, 5 % missing"):
        for first, second in SIZES[:2]:
            cases.append(Case(f"columns | 10 | {kind} | {first}/{second}", of_kinds((kind,) * 10, (first, second))))
    rare = "1,500 equal categories"
    cases.append(Case(f"columns | 1 | {rare} | 20000/1000", of_kinds((rare,), (20_000, 1000))))
    for first, second in ((10_000, 10_000), (50_000, 1000)):
        name = f"columns | 1 | 20,000 texts in groups | {first}/{second}"
        cases.append(Case(name, in_groups((first, second)), 0.5))
    return cases


def _dependent() -> list[Case]:
    cases = []
    for phi in (0.0, 0.5, 0.8, 0.9):
        for first, second in ((2000, 2000), (5000, 5000), (8000, 2000)):
            name = f"dependent | 10 | AR(1) {phi} | {first}/{second}"
            claimed, share = (True, 0.5) if phi <= 0.8 else (False, 0.05)
            cases.append(Case(name, dependent((first, second), phi), share, claimed))
    return cases


def all_cases() -> list[Case]:
    """Every line of the table."""
    joint = [
        Case(f"columns and joint | 10 | all kinds | {n}/{m}", of_kinds(ALL, (n, m), True), 0.5)
        for n, m in ((1000, 1000), (2000, 200))
    ]
    return [*_independent(), *_dependent(), *joint, *(case for rows in CONCEPT_ROWS for case in _concepts(rows))]
